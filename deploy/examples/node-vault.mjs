// Node: read an environment from Strongroom with node-vault.
//
//     VAULT_ADDR=https://vault.example.org VAULT_TOKEN=srm_t_… node node-vault.mjs prod
//
// With the local authority, NODE_EXTRA_CA_CERTS names its CA file.
import { createRequire } from 'node:module';

const load = createRequire(process.env.NODE_MODULES ?? import.meta.url);
const vault = load('node-vault')({ endpoint: process.env.VAULT_ADDR, token: process.env.VAULT_TOKEN });
const environment = process.argv[2];

const { data } = await vault.read(`secret/data/${environment}`);
console.log(`${environment} is at version ${data.metadata.version}: ${Object.keys(data.data).sort().join(', ')}`);
