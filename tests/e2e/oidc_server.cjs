// The certified `oidc-provider` with one client and its own development pages, where any name may sign in:
// `node oidc_server.cjs MODULE REDIRECT_URI SECRET`; says {"port": N}. Each grant is a line on its standard error.
const http = require("node:http");
const { pathToFileURL } = require("node:url");

const [, , module_, redirect, secret] = process.argv;

async function main() {
  const { default: Provider } = await import(pathToFileURL(module_));
  const server = http.createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: "remit", client_secret: secret, redirect_uris: [redirect], response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "client_secret_basic",
    }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    conformIdTokenClaims: false, // what the scopes give stands in the ID token
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.test`, email_verified: true, groups: ["safety"] }),
    }),
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: 3600, RefreshToken: 86400, Grant: 86400, Session: 3600, Interaction: 600 },
    cookies: { keys: ["only of this test"] },
  });
  provider.on("grant.success", (ctx) => console.error(`grant ${ctx.oidc.params.grant_type}`));
  provider.on("grant.revoked", () => console.error("revoked"));
  provider.on("grant.error", (_ctx, error) => console.error(`refused ${error.message} ${error.error_description}`));
  server.on("request", provider.callback());
  console.log(JSON.stringify({ port }));
}

main();
