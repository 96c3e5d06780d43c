// A peer to measure beside: npm's oidc-provider with its memory adapter, client_credentials, private_key_jwt and DPoP,
// JWT access tokens signed with ES256. Reads the client's public key (a JWK) from a file; says {"port": N} when ready.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import Provider from 'oidc-provider';

const free = () => new Promise((resolve) => {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});
const port = await free();
const client = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signing = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [signing] },
  scopes: ['purpose:bench'],
  clients: [{
    client_id: 'bound-bot', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256',
    dpop_bound_access_tokens: true, id_token_signed_response_alg: 'ES256', scope: 'purpose:bench', jwks: { keys: [client] },
  }],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  features: {
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench',
      getResourceServerInfo: () => ({
        scope: 'purpose:bench', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: { ClientCredentials: 300 },
});
provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ port })));
