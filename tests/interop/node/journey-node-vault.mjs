// The journey of a service with node-vault: log in, write, read, list, wrap; what fails must fail as it should.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const nodeVault = createRequire(import.meta.url)('node-vault');
const { VAULT_ADDR: endpoint, VAULT_TOKEN: token } = process.env;
const vault = nodeVault({ endpoint, token });
const status = (promise) => promise.then(() => 200, (error) => error.response?.statusCode);

assert.equal((await vault.health()).sealed, false);
assert.equal((await vault.status()).sealed, false);
assert.equal((await vault.mounts()).data['secret/'].options.version, '2');

const written = await vault.write('secret/data/node/basic', { data: { A: '1', N: 5, O: { p: [true, null] } }, options: { cas: 0 } });
assert.equal(written.data.version, 1);
assert.deepEqual((await vault.read('secret/data/node/basic')).data.data, { A: '1', N: 5, O: { p: [true, null] } });
assert.deepEqual((await vault.list('secret/metadata/node/')).data.keys, ['basic']);
assert.deepEqual((await nodeVault({ endpoint, token, noCustomHTTPVerbs: true }).list('secret/metadata/node')).data.keys, ['basic']);
assert.equal(await status(vault.write('secret/data/node/basic', { data: {}, options: { cas: 0 } })), 400);

await vault.update('secret/data/node/basic', { data: { A: null, B: '2' } });
assert.deepEqual((await vault.read('secret/data/node/basic')).data.data, { N: 5, O: { p: [true, null] }, B: '2' });
await vault.write('secret/delete/node/basic', { versions: [2] });
assert.equal(await status(vault.read('secret/data/node/basic')), 404);
await vault.write('secret/undelete/node/basic', { versions: [2] });
await vault.write('secret/destroy/node/basic', { versions: [1] });
assert.equal((await vault.read('secret/metadata/node/basic')).data.versions['1'].destroyed, true);
await vault.write('secret/metadata/node/basic', { custom_metadata: { owner: 'ada' }, max_versions: 4 });
assert.equal((await vault.read('secret/metadata/node/basic')).data.custom_metadata.owner, 'ada');
await vault.delete('secret/data/node/basic');
await vault.delete('secret/metadata/node/basic');
await vault.delete('secret/metadata/node/basic');
assert.equal(await status(vault.read('secret/metadata/node/basic')), 404);

await vault.write('kv/node-one', { A: '1' });
assert.deepEqual((await vault.read('kv/node-one')).data, { A: '1' });
await vault.delete('kv/node-one');

const person = nodeVault({ endpoint, token: 'stale' });
assert.equal(await status(person.tokenLookupSelf()), 403);
const { VAULT_USERNAME: username, VAULT_PASSWORD: password, ROLE_ID: role_id, SECRET_ID: secret_id } = process.env;
assert.equal(await status(person.userpassLogin({ username, password: 'wrong' })), 400);
await person.userpassLogin({ username, password });
assert.equal((await person.tokenLookupSelf()).data.display_name, username);
await person.tokenRevokeSelf();

const role = nodeVault({ endpoint });
await role.approleLogin({ role_id, secret_id });
assert.equal((await role.tokenRenewSelf()).auth.renewable, true);
const child = await role.write('auth/token/create', { policies: ['path:node:read'], ttl: '5m' });
await role.tokenRevoke({ token: child.auth.client_token });
assert.equal(await status(nodeVault({ endpoint, token: child.auth.client_token }).tokenLookupSelf()), 403);

const wrapped = await vault.request({ path: '/sys/wrapping/wrap', method: 'POST', json: { A: '1' }, headers: { 'X-Vault-Wrap-TTL': '60' } });
const stranger = nodeVault({ endpoint });
assert.deepEqual((await stranger.unwrap({ token: wrapped.wrap_info.token })).data, { A: '1' });
assert.equal(await status(stranger.unwrap({ token: wrapped.wrap_info.token })), 400);
await role.tokenRevokeSelf();
