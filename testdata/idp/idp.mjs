// An identity provider that other people wrote, on the loopback interface: whoever
// signs in with a name and any password is that person.
//
// The environment says PORT, CLIENT_ID, CLIENT_SECRET and REDIRECT_URI. It prints
// its issuer when it answers, and ends with its standard input.
import Provider from "oidc-provider";

const { PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [REDIRECT_URI],
      // Asked with max_age or not, its ID tokens say when the person signed in.
      require_auth_time: true,
    },
  ],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  findAccount: (_, name) => ({
    accountId: name,
    claims: () => ({
      sub: name,
      name: name[0].toUpperCase() + name.slice(1),
      preferred_username: name,
      email: `${name}@example.com`,
      email_verified: true,
    }),
  }),
  // Nobody is asked whether this one client may have what it asks for.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
  ttl: { Session: 3600, Grant: 3600, Interaction: 600, IdToken: 600, AccessToken: 600 },
});

provider.listen(Number(PORT), "127.0.0.1", () => console.log(issuer));
process.stdin.resume().on("end", () => process.exit(0));
