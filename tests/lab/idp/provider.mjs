// OpenID providers for tests, each an issuer of its own on loopback, all in one process: node provider.mjs CONFIG.json
// CONFIG: {"cert": PATH, "key": PATH, "providers": [{"issuer", "port", "clients", "keys", "users": {sub: claims}}]}
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2]));
const tls = { cert: readFileSync(config.cert), key: readFileSync(config.key) };

function resourceServer(resource) {
  return {
    scope: '', audience: resource, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
  };
}

function provider({ issuer, clients, keys, users }) {
  const claims = (sub) => ({ sub, name: `Name of ${sub}`, email: `${sub}@example.org`, ...users[sub] });
  return new Provider(issuer, {
    clients,
    jwks: { keys },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => claims(sub) }),
    claims: {
      openid: ['sub'], email: ['email'],
      profile: ['name', 'preferred_username', 'uid_number', 'eduperson_entitlement'],
    },
    scopes: ['openid', 'profile', 'email'],
    pkce: { required: () => true },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true, getResourceServerInfo: (_, resource) => resourceServer(resource), useGrantedResource: () => true,
      },
    },
  });
}

let waiting = config.providers.length;
for (const item of config.providers) {
  createServer(tls, provider(item).callback()).listen(item.port, '127.0.0.1', () => {
    waiting -= 1;
    if (waiting === 0) console.log('ready');
  });
}
