// The journey of a service with @litehex/node-vault, whose schemas check every answer.
import assert from 'node:assert/strict';
import { Client } from '@litehex/node-vault';

const { VAULT_ADDR: endpoint, VAULT_TOKEN: token } = process.env;
const vault = new Client({ endpoint, token });
const at = { mountPath: 'secret', path: 'litehex/basic' };
const ok = async (promise) => {
  const { data, error } = await promise;
  assert.equal(error, undefined, error && `${error.message} ${JSON.stringify(error.cause ?? '')}`);
  return data;
};

assert.equal((await ok(vault.sealStatus())).sealed, false);
assert.equal((await ok(vault.health())).sealed, false);
assert.equal((await ok(vault.mounts())).data['secret/'].type, 'kv');
assert.equal((await ok(vault.kv2.info({ mountPath: 'secret' }))).data.options.version, '2');

assert.equal((await ok(vault.kv2.write({ ...at, data: { A: '1', B: '2' }, options: { cas: 0 } }))).data.version, 1);
assert.deepEqual((await ok(vault.kv2.read(at))).data.data, { A: '1', B: '2' });
const refused = await vault.kv2.write({ ...at, data: {}, options: { cas: 0 } });
assert.match(refused.error.message, /check-and-set/);
await ok(vault.kv2.patch({ ...at, data: { B: null, C: '3' } }));
assert.deepEqual((await ok(vault.kv2.read(at))).data.data, { A: '1', C: '3' });
// With a query beside a path of two segments this client loses the slash, so a path of one is read by version.
const single = { mountPath: 'secret', path: 'litehex-single' };
await ok(vault.kv2.write({ ...single, data: { A: '0' } }));
await ok(vault.kv2.write({ ...single, data: { A: '1' } }));
assert.deepEqual((await ok(vault.kv2.read({ ...single, version: 1 }))).data.data, { A: '0' });
assert.deepEqual((await ok(vault.kv2.subKeys(at))).data.subkeys, { A: null, C: null });
assert.deepEqual((await ok(vault.kv2.list({ mountPath: 'secret', path: 'litehex' }))).data.keys, ['basic']);

assert.equal(await ok(vault.kv2.delete({ ...at, versions: [1, 2] })), true);
assert.equal(await ok(vault.kv2.undelete({ ...at, versions: [2] })), true);
assert.equal(await ok(vault.kv2.destroy({ ...at, versions: [1] })), true);
assert.equal(await ok(vault.kv2.writeMetadata({ ...at, max_versions: 7, custom_metadata: { owner: 'ada' } })), true);
assert.equal(await ok(vault.kv2.patchMetadata({ ...at, custom_metadata: { team: 'a' } })), true);
const metadata = (await ok(vault.kv2.readMetadata(at))).data;
assert.deepEqual(metadata.custom_metadata, { owner: 'ada', team: 'a' });
assert.deepEqual([metadata.max_versions, metadata.current_version], [7, 2]);
assert.equal(await ok(vault.kv2.deleteLatest(at)), true);
assert.equal(await ok(vault.kv2.deleteMetadata(at)), true);
assert.equal((await vault.kv2.readMetadata(at)).error.message, 'Not Found');
assert.equal((await ok(vault.kv2.readConfig({ mountPath: 'secret' }))).data.cas_required, false);

const one = { mountPath: 'kv', path: 'litehex-one' };
assert.equal(await ok(vault.kv.write({ ...one, data: { A: '1' } })), true);
assert.deepEqual((await ok(vault.kv.read(one))).data, { A: '1' });
assert.ok((await ok(vault.kv.list({ mountPath: 'kv', path: '' }))).data.keys.includes('litehex-one'));
assert.equal(await ok(vault.kv.delete(one)), true);

const role = await ok(vault.write({ path: 'auth/approle/login', data: { role_id: process.env.ROLE_ID, secret_id: process.env.SECRET_ID } }));
const child = new Client({ endpoint, token: role.auth.client_token });
assert.equal((await ok(child.read({ path: 'auth/token/lookup-self' }))).data.renewable, true);
await ok(child.write({ path: 'auth/token/revoke-self', data: {} }));
assert.match((await child.read({ path: 'auth/token/lookup-self' })).error.message, /permission denied/);
