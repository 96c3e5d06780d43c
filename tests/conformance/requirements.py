"""What standards and the design require of Remit: each behaviour with an id, its source, and known divergences.

A test says which it shows with `@pytest.mark.requirement("dpop:replay")`. The coverage test
fails for a requirement no test shows, and for a mark that names no requirement.
"""

from __future__ import annotations

from dataclasses import dataclass

_RFC = "https://www.rfc-editor.org/rfc/rfc{}.html#section-{}"
_HANDSHAKE = "https://modelcontextprotocol.io/specification/2025-11-25/basic/{}"
_MODERN = "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http"
_PRACTICES = "https://modelcontextprotocol.io/specification/2025-06-18/basic/security_best_practices"
_C2SP = "https://c2sp.org/{}"
_AUTHZEN = "https://openid.net/specs/authorization-api-1_0.html"
_ARAP = "https://github.com/openid/authzen/tree/main/profiles/authzen-access-request-approval"  # draft 1
_JAG = "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-identity-assertion-authz-grant"
_CIMD = "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-01"
_MCP_AUTH = "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization"
_CAEP = "https://openid.net/specs/openid-caep-interoperability-profile-1_0.html"
_BIS = "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-rfc7523bis"


@dataclass(frozen=True)
class Requirement:
    """One required behaviour."""

    id: str
    text: str
    source: str  # a link to the section, or "design: ..." for Remit's own rules
    divergence: str = ""  # where Remit does otherwise, and why


def _rfc(number: int, section: str) -> str:
    return _RFC.format(number, section)


REQUIREMENTS: tuple[Requirement, ...] = (
    # signed tokens of any kind
    Requirement("jose:none", "An unsecured JWS is refused in any spelling.", _rfc(8725, "3.2")),
    Requirement("jose:confusion", "A public key is never used as an HMAC secret.", _rfc(8725, "2.1")),
    Requirement("jose:embedded-key", "A key or a URL in a token's header is not trusted.", _rfc(8725, "3.10")),
    Requirement("jose:kid", "A kid is a lookup in memory and nothing else.", _rfc(8725, "3.10")),
    Requirement("jose:crit", "A critical header parameter that is not understood is refused.", _rfc(7515, "4.1.11")),
    Requirement("jose:key-algorithm", "A key is used with one algorithm.", _rfc(8725, "3.1")),
    Requirement("jose:typ", "Each kind of token has its own explicit type.", _rfc(8725, "3.11")),
    Requirement("jose:grammar", "A token has one spelling: base64url without padding.", _rfc(7515, "2")),
    Requirement(
        "jose:encrypted", "An encrypted token is refused by its form, before it costs anything.", _rfc(8725, "3.6")
    ),
    # security event tokens
    Requirement("set:claims", "A SET tells one event, with iss, jti, iat, aud, txn; no exp or sub.", _rfc(8417, "2.2")),
    Requirement("set:typ", "A SET is explicitly typed as secevent+jwt.", _rfc(8417, "2.3")),
    Requirement("set:rs256", "A SET is signed with RS256, by a key of at least 2048 bits.", _CAEP),
    Requirement("set:apart", "Neither SETs nor the keys that sign them count as access tokens.", _rfc(8725, "2.8")),
    Requirement(
        "jose:vectors",
        "No invalid vector of Project Wycheproof is accepted.",
        "https://github.com/C2SP/wycheproof/blob/main/testvectors_v1/json_web_signature_test.json",
        divergence="tcId 367 and 370 are marked invalid though equal to valid ones, 372 and 373 valid though they hold "
        'a "?"; all four are refused, with all HMAC.',
    ),
    # client authentication
    Requirement("client:private-key-jwt", "A client authenticates with a signed assertion.", _rfc(7523, "2.2")),
    Requirement("client:errors", "An assertion that is not valid is invalid_client.", _rfc(7521, "4.2.1")),
    Requirement("client:claims", "iss, sub, exp, nbf, iat and jti of an assertion are checked.", _rfc(7523, "3")),
    Requirement(
        "client:audience",
        "The audience of an assertion is the issuer identifier as its only, string value.",
        _BIS,
        divergence="RFC 7523 section 3 also lets the token endpoint's URL be the audience; refused, as in rfc7523bis, "
        "because an assertion made for another server could be replayed here.",
    ),
    Requirement(
        "client:replay",
        "An assertion is used once, across restarts and servers.",
        _rfc(7523, "3"),
        divergence="The RFC allows it; Remit always does it, and a refused request uses its assertion up as well.",
    ),
    Requirement("client:indistinguishable", "Unknown agent and wrong key read alike.", "design: invariant 9"),
    Requirement(
        "client:secret", "A client secret is taken in the header or the form, and stored hashed.", _rfc(6749, "2.3.1")
    ),
    Requirement("client:secret-off", "Secrets are taken only if the operator turned them on.", "design: standards, 5"),
    Requirement("client:secret-guessing", "Guessing a secret has its budget, by the name tried.", _rfc(6749, "2.3.1")),
    Requirement(
        "mtls:client-auth", "A certificate of a named authority is matched whole, by one name.", _rfc(8705, "2.1")
    ),
    Requirement("mtls:self-signed", "A registered certificate is matched by itself.", _rfc(8705, "2.2")),
    Requirement("mtls:cnf", "A token that is bound to a certificate carries its SHA-256.", _rfc(8705, "3.1")),
    Requirement(
        "mtls:bound-token", "A bound token is good on connections with its certificate alone.", _rfc(8705, "3")
    ),
    Requirement("mtls:proxy", "A certificate in a header is believed of listed proxies alone.", _rfc(9440, "4")),
    Requirement(
        "oidc:issuer",
        "A platform's token is of the trust's issuer, byte for byte.",
        "https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation",
    ),
    Requirement(
        "oidc:audience",
        "A platform's token is for this deployment alone.",
        "https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation",
        divergence="A list with other audiences beside ours is allowed there with azp; refused, because who is named "
        "beside us could show the token here.",
    ),
    Requirement(
        "oidc:discovery",
        "A discovery document names the issuer that it was asked of.",
        "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation",
    ),
    Requirement(
        "spiffe:jwt-svid",
        "A JWT-SVID is checked as its standard says.",
        "https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md",
    ),
    Requirement(
        "spiffe:client",
        "A JWT-SVID authenticates a client under an assertion type of its own.",
        "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-spiffe-client-auth",
        divergence="client_id is the agent's name and not the SPIFFE ID.",
    ),
    Requirement(
        "spiffe:bundle",
        "A bundle is taken whole, by its sequence, and never merged with another domain's.",
        "https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md",
    ),
    Requirement("client:basic", "A client that tried Authorization is answered in its scheme.", _rfc(6749, "5.2")),
    # the token endpoint
    Requirement("token:answer", "A successful answer has the token, its type, life and scope.", _rfc(6749, "5.1")),
    Requirement("token:no-store", "No answer of the token endpoint may be cached.", _rfc(6749, "5.1")),
    Requirement("token:errors", "A refusal is JSON with the defined error code and status.", _rfc(6749, "5.2")),
    Requirement("token:duplicate-parameter", "A parameter is not included more than once.", _rfc(6749, "3.2")),
    Requirement("token:media-type", "Parameters are sent as a form, in UTF-8.", _rfc(6749, "4.4.2")),
    Requirement(
        "token:unauthorized-client",
        "No token for an agent that is suspended, retired, ended or frozen, or whose owner is not active.",
        "design: codes, token endpoint",
    ),
    Requirement("token:rfc9068-claims", "Access tokens carry the required claims and type.", _rfc(9068, "2.2")),
    # one agent acts for another
    Requirement("exchange:answer", "The answer says what type of token was issued.", _rfc(8693, "2.2.1")),
    Requirement("exchange:errors", "A bad subject or actor token is invalid_request.", _rfc(8693, "2.2.2")),
    Requirement("exchange:act", "The token names who acts, and nested in it who acted before.", _rfc(8693, "4.1")),
    Requirement("exchange:revoked", "What is revoked takes with it what was exchanged for it.", _rfc(7009, "2.1")),
    Requirement(
        "exchange:splicing",
        "An actor token is the client's own, and of this flow.",
        _rfc(8693, "2.1"),
    ),
    Requirement("exchange:audience", "A subject token is exchanged for its own resources alone.", _rfc(8707, "2.2")),
    Requirement("exchange:monotone", "Scope, purpose, bounds, life and depth only narrow.", "design: 4, invariant 4"),
    Requirement(
        "exchange:may-act", "Who may act for a subject is said by its token and its registration.", _rfc(8693, "4.4")
    ),
    Requirement("token:issuer", "A token is good only at the deployment that issued it.", _rfc(9068, "4")),
    Requirement("token:expired", "A token is refused from the second it expires.", _rfc(9068, "4")),
    Requirement("token:no-forgery", "No changed token is accepted.", _rfc(9068, "4")),
    # other issuers' words (RFC 7523 section 2.1, and its profile ID-JAG)
    Requirement("jwt-bearer:errors", "An authorization that is not valid is invalid_grant.", _rfc(7521, "4.1.1")),
    Requirement(
        "jwt-bearer:subjects", "A plain assertion is taken for subjects that the agent names.", _rfc(7523, "3")
    ),
    Requirement("jag:accepted", "A person's assertion gives the client a token of its own.", _JAG),
    Requirement("jag:typ", "An ID-JAG is of its own type.", _JAG),
    Requirement("jag:audience", "Its audience is this issuer and nobody else.", _JAG),
    Requirement("jag:client", "It was made for the client that authenticates.", _JAG),
    Requirement("jag:issuer", "It is signed by the issuer it names, which is trusted and not this server.", _JAG),
    Requirement("jag:claims", "sub, jti, exp and iat are there, and what it says more is understood.", _JAG),
    Requirement("jag:replay", "It is used once, across nodes.", _rfc(7523, "3"), divergence="The RFC allows it."),
    Requirement("jag:narrow", "Scope, details and resource are inside it and inside what the agent has.", _JAG),
    Requirement("jag:no-refresh", "No refresh token comes back.", _JAG),
    Requirement(
        "jag:subject",
        "The token names the person.",
        _rfc(9068, "2.2"),
        divergence="In `obo`, and not in `sub`, which RFC 9068 recommends: `sub` is the agent whose access it is.",
    ),
    Requirement("jag:consent", "What a person let an agent do leaves a consent record, and ends with it.", "design: 6"),
    Requirement("jag:metadata", "The metadata names the profile.", _JAG),
    # a person lets a client act as their agent
    Requirement("authorize:pkce", "No question without PKCE by S256.", _rfc(7636, "4.4.1")),
    Requirement("authorize:redirect-exact", "A redirect URI is compared character by character.", _rfc(9700, "4.1.3")),
    Requirement(
        "authorize:redirect-kinds", "Answers go over TLS, to this machine, or to a private-use scheme.", _rfc(8252, "7")
    ),
    Requirement("authorize:errors", "What is wrong is told to the client, or shown.", _rfc(6749, "4.1.2.1")),
    Requirement("authorize:state", "The client gets its state back.", _rfc(6749, "4.1.2")),
    Requirement("authorize:iss", "Every answer, an error too, names the issuer.", _rfc(9207, "2")),
    Requirement("consent:owner", "Only the owner or a backup of an agent consents for it.", "design: delegation"),
    Requirement("consent:csrf", "A form from elsewhere consents to nothing.", _rfc(9700, "4.7")),
    Requirement("consent:withdrawn", "Withdrawn, every token under a consent ends at once.", "design: delegation"),
    Requirement("code:grant", "A code becomes a token.", _rfc(6749, "4.1.3")),
    Requirement("code:expires", "A code lives for a minute.", _rfc(6749, "4.1.2")),
    Requirement("code:once", "A code used twice ends what came of its first use.", _rfc(6749, "4.1.2")),
    Requirement("code:redirect", "A code is redeemed with the redirect URI that it was sent to.", _rfc(6749, "4.1.3")),
    Requirement("code:verifier", "A code is redeemed by who has the verifier.", _rfc(7636, "4.6")),
    Requirement("code:dpop-jkt", "A code asked for with a key is redeemed with it.", _rfc(9449, "10")),
    Requirement("code:narrow", "No resource that was not consented to.", _rfc(8707, "2.2")),
    Requirement("refresh:rotated", "Each refresh token is used once and gives the next.", _rfc(9700, "4.14.2")),
    Requirement("refresh:reuse", "A second use ends the whole family.", _rfc(9700, "4.14.2")),
    Requirement("refresh:bound", "A refresh token is bound to the key it was issued to.", _rfc(9449, "5")),
    Requirement("refresh:narrow", "Neither scope nor resource widen.", _rfc(6749, "6")),
    Requirement("refresh:ends", "It ends with consent, agent, client, purpose and person.", "design: delegation"),
    Requirement("client:public", "A public client gets nothing without a person.", _rfc(6749, "4.4")),
    Requirement("cimd:url", "A client's URL is https with a path, no user, fragment or dot segment.", _CIMD),
    Requirement("cimd:document", "The document names its own URL, holds no secret and is small.", _CIMD),
    Requirement("cimd:cache", "A document is kept for a bounded time; an error is not.", _CIMD),
    Requirement("cimd:private-key-jwt", "A client with keys in its document signs with them.", _CIMD),
    Requirement("cimd:inside", "A document at an address inside is not asked for.", _CIMD),
    Requirement(
        "cimd:registered",
        "Only documents that agents name are fetched.",
        _CIMD,
        divergence="The draft lets any client come; here an agent's own document says which may act as it.",
    ),
    Requirement("mcp:authorization-server", "The suite's scenarios for authorization servers pass.", _MCP_AUTH),
    Requirement(
        "mcp:client-authorization",
        "The suite's authorization scenarios for clients pass with the clients that the documentation names.",
        _MCP_AUTH,
        divergence="auth/wif-jwt-bearer (SEP-1933, a draft): no client of Remit's has a grant without a client.",
    ),
    Requirement("mcp:authorization-code", "A stock MCP client gets its person's consent and a token.", _MCP_AUTH),
    # scopes, resources, details
    Requirement("scope:one-purpose", "The scope is exactly one purpose of the agent's own.", "design: CLI, codes"),
    Requirement("scope:active", "A purpose that is not active is no scope.", "design: codes, token endpoint"),
    Requirement("scope:default", "Without a scope, the agent's only purpose is meant.", _rfc(6749, "3.3")),
    Requirement("resource:audience", "Requested resources become the audience.", _rfc(8707, "2")),
    Requirement("resource:invalid-target", "A resource that is not ours is refused.", _rfc(8707, "2")),
    Requirement("resource:no-oracle", "The endpoint does not tell which servers exist.", "design: invariant 9"),
    Requirement("resource:checked", "A token for one resource is refused at another.", _rfc(9068, "4")),
    Requirement("rar:unknown", "Details of an unknown type or with unknown members are refused.", _rfc(9396, "5")),
    Requirement("rar:granted", "The answer says what was granted, enriched with the purpose.", _rfc(9396, "7.1")),
    # what a token is worth, and its end before its time
    Requirement("introspection:active", "An active token is described, with what it is bound to.", _rfc(7662, "2.2")),
    Requirement("introspection:inactive", "What is not active is active: false, and nothing else.", _rfc(7662, "2.2")),
    Requirement(
        "introspection:audience",
        "A token for another resource is inactive.",
        _rfc(7662, "4"),
        divergence="The RFC lets the server know its protected resources; here an enforcement point says by `resource` "
        "what it guards, and without it stands for the deployment as a whole.",
    ),
    Requirement("introspection:authenticated", "Whoever asks is authenticated.", _rfc(7662, "2.1")),
    Requirement("introspection:refresh", "A refresh token is described to its client alone.", _rfc(7662, "2.1")),
    Requirement("revocation:family", "With a refresh token all that came of it ends.", _rfc(7009, "2.1")),
    Requirement(
        "revocation:access",
        "An access token is revoked alone.",
        _rfc(7009, "2.1"),
        divergence="The RFC lets the refresh token go with it; a client that means that says so with the latter.",
    ),
    Requirement("revocation:at-once", "A revoked token is refused at once and for good.", _rfc(7009, "2.1")),
    Requirement("revocation:unknown", "A token that is not known is no error; a hint is a hint.", _rfc(7009, "2.2")),
    Requirement("revocation:own", "A token issued to another client is refused, and says so.", _rfc(7009, "2.1")),
    Requirement("revocation:authenticated", "A client proves who it is before it revokes.", _rfc(7009, "2.1")),
    # bearer tokens
    Requirement("bearer:one-resource", "A token bound to no key names exactly one resource.", "design: interfaces"),
    Requirement("bearer:no-credential", "A request without a credential gets a bare challenge.", _rfc(6750, "3.1")),
    # proofs
    Requirement("dpop:token-type", "A bound token is announced as DPoP.", _rfc(9449, "5")),
    Requirement("dpop:cnf", "A bound token carries the key's thumbprint.", _rfc(9449, "6.1")),
    Requirement("dpop:required", "An agent with sender constraint dpop gets no unbound token.", "design: interfaces"),
    Requirement("dpop:one-header", "There is exactly one DPoP header.", _rfc(9449, "4.3")),
    Requirement("dpop:claims", "All required claims are there.", _rfc(9449, "4.3")),
    Requirement("dpop:public-key", "The proof's jwk holds no private key.", _rfc(9449, "4.3")),
    Requirement("dpop:htm", "The proof is for this method.", _rfc(9449, "4.3")),
    Requirement("dpop:htu", "The proof is for this URI, normalised, without query and fragment.", _rfc(9449, "4.3")),
    Requirement("dpop:iat", "The proof was made within a minute of now, either way.", _rfc(9449, "4.3")),
    Requirement("dpop:ath", "At a resource the proof is for this token.", _rfc(9449, "4.3")),
    Requirement("dpop:other-key", "The proof is by the key the token is bound to.", _rfc(9449, "4.3")),
    Requirement(
        "dpop:replay",
        "A proof is used once, across restarts and servers.",
        _rfc(9449, "11.1"),
        divergence="Nonces are asked for only where the operator says so: single use is durable, and the window is a "
        "minute.",
    ),
    Requirement(
        "dpop:nonce",
        "Where nonces are on, a proof without a fresh one is answered with one, here and at resources.",
        _rfc(9449, "8"),
        divergence="Off by default, as in other servers; a proof is used once across nodes with or without it.",
    ),
    Requirement(
        "dpop:scheme", "A bound token under Bearer is refused, and an unbound one under DPoP.", _rfc(9449, "7.2")
    ),
    Requirement("dpop:no-forgery", "No changed proof is accepted.", _rfc(9449, "4.3")),
    # runs and instances
    Requirement("run:continues", "A token request continues the open run of instance and purpose.", "design: runs"),
    Requirement("run:ends", "A run is over 15 minutes after its last token, and at max_run.", "design: runs"),
    Requirement("run:new", "remit_purpose.run: new opens another run.", "design: runs"),
    Requirement(
        "instance:two-places", "A copy's key in use at two places is refused at the second.", "design: codes, revoked"
    ),
    Requirement("instance:max", "No more live instances than max_instances.", "design: words"),
    # discovery
    Requirement("metadata:issuer", "The issuer is byte for byte the URL it is found by.", _rfc(8414, "3.3")),
    Requirement(
        "metadata:contents",
        "The metadata says what the endpoint does, and lists no purpose.",
        _rfc(8414, "2"),
        divergence="Where no person can be asked, an authorization endpoint is named although no grant type uses it, "
        "because stock MCP clients refuse metadata without one; it refuses every response type.",
    ),
    Requirement("metadata:authorization-code", "The metadata says code, S256, iss and CIMD.", _rfc(9207, "3")),
    Requirement("metadata:path", "Metadata stands between the issuer's host and path.", _rfc(8414, "3")),
    Requirement("metadata:resource-path", "So does that of a resource.", _rfc(9728, "3.1")),
    Requirement("metadata:status-endpoints", "The metadata names introspection and revocation.", _rfc(8414, "2")),
    # decisions for registered enforcement points
    Requirement("authzen:evaluation", "An evaluation is answered with a decision and its reasons.", _AUTHZEN),
    Requirement(
        "authzen:undeclared",
        "What is not declared, not there or not visible is a decision of false, all three alike.",
        "design: invariant 9",
    ),
    Requirement("arap:submission", "An access request is a task, and once approved says to ask again.", _ARAP),
    Requirement("arap:errors", "What is wrong with an access request has its own problem type.", _ARAP),
    Requirement("authzen:stored-attributes", "Of Remit's own types stored attributes win.", "design: interfaces"),
    Requirement("authzen:malformed", "A missing or wrong-typed field, an empty body, an array: 400.", _AUTHZEN),
    Requirement("authzen:http", "Unauthenticated 401, media type 415, size 413, other methods 405.", _AUTHZEN),
    Requirement("authzen:request-id", "X-Request-ID comes back.", _AUTHZEN),
    Requirement("authzen:discovery", "The configuration names what there is, and nothing else.", _AUTHZEN),
    Requirement("authzen:interop", "The Todo and the gateway scenario decide as their payloads say.", _AUTHZEN),
    Requirement(
        "authzen:certification",
        "The certification scenario's requests are accepted, decided and refused as its matrix says.",
        _AUTHZEN,
        divergence="A media type other than JSON is 415, as RFC 9110 section 15.5.16 has it and as every other door "
        "here says; the scenario asks for 400. Its advisory test 3.2.7 lets the default's type show through an item's "
        "own resource; section 'Default values' of the specification replaces the object as a whole, and so does this.",
    ),
    Requirement("authzen:batch", "Several questions are answered in order, under each of three semantics.", _AUTHZEN),
    Requirement("authzen:search", "Subjects, resources and actions are found, in pages.", _AUTHZEN),
    Requirement(
        "authzen:coaz",
        "COAZ-MCP's default mapping is another spelling of a question about an agent's call.",
        "https://github.com/openid/authzen/blob/main/profiles/authzen-coaz-mcp-binding-1_0.md",
        divergence="The mapping of MCP's methods is extended by server/discover, subscriptions/listen and "
        "tasks/update of MCP 2026-07-28, which the profile would deny.",
    ),
    Requirement(
        "authzen:declared",
        "Of types that an organisation declares, Cedar alone decides; what it declares is never Remit's own.",
        "design: interfaces",
    ),
    Requirement("outcomes:once", "An outcome is recorded once.", "design: invariant 3"),
    Requirement("outcomes:own", "A foreign decision looks like one that does not exist.", "design: invariant 9"),
    # the SDK and stock clients
    Requirement("sdk:proof-per-request", "Each request of the SDK carries a proof of its own.", _rfc(9449, "4.2")),
    Requirement("sdk:own-origin", "The SDK sends tokens to Remit only.", _rfc(6750, "5.3")),
    Requirement("sdk:renewal", "The SDK renews ahead of expiry, and once on invalid_token.", "design: SDK"),
    Requirement("sdk:issuer", "The SDK refuses metadata of another issuer.", _rfc(8414, "3.3")),
    Requirement(
        "mcp:stock-client", "The mcp SDK's private_key_jwt provider gets a token unchanged.", "design: interfaces"
    ),
    # the MCP gateway: what is read
    Requirement("gateway:eras", "The official client works in either era, by itself or pinned.", _MODERN),
    Requirement(
        "gateway:parse",
        "A body that is not one strict JSON-RPC message is 400: not JSON, a duplicate key, NaN, not UTF-8.",
        _rfc(8259, "4"),
        divergence="RFC 8259 lets a parser take duplicate names; refused, because parsers differ on which one counts.",
    ),
    Requirement(
        "gateway:batch",
        "A batch is refused, of one call as well.",
        _HANDSHAKE.format("transports"),
        divergence="Version 2025-03-26 allowed batches; refused in all, because a batch went around decisions.",
    ),
    Requirement("gateway:size", "A body over 1 MiB is refused, with a length and without.", "design: codes, too_large"),
    Requirement("gateway:media-type", "A body that is not plain JSON is refused.", _MODERN),
    Requirement("gateway:header-mismatch", "Routing headers say what the body says, once, or it is -32020.", _MODERN),
    Requirement("gateway:param-headers", "Mcp-Param headers say what the arguments say.", _MODERN),
    Requirement("gateway:http-methods", "The modern era has POST only; the other GET and DELETE too.", _MODERN),
    Requirement("gateway:origin", "A foreign Origin or Host is refused.", _HANDSHAKE.format("transports")),
    Requirement("gateway:reencode", "What goes upstream is encoded anew from what was decided.", "design: invariant 8"),
    Requirement("gateway:exact-numbers", "A number that is not exact is invalid_arguments.", "design: boundaries"),
    # what is decided and shown
    Requirement("gateway:unknown-method", "An unknown method is -32601, recorded and not forwarded.", "design: codes"),
    Requirement("gateway:every-method", "Every method that is no tool call is an action of its own.", "design: words"),
    Requirement("gateway:request-state", "A state is good for its agent, tool and arguments.", _MODERN),
    Requirement(
        "gateway:task-owner",
        "A task is its agent's; to others it does not exist.",
        _HANDSHAKE.format("utilities/tasks"),
    ),
    Requirement("gateway:subscriptions", "A subscription tells what was asked for and granted.", _MODERN),
    Requirement("gateway:session", "A session is good for the agent and key that opened it, else 404.", _PRACTICES),
    Requirement("gateway:hidden", "What may not be seen answers like what does not exist.", "design: invariant 9"),
    Requirement("gateway:list-filter", "A list shows what the agent's boundaries name.", "design: invariant 9"),
    Requirement("gateway:list-private", "A filtered list is one page, private and not to be cached.", _MODERN),
    Requirement(
        "gateway:pin", "A changed tool is gone from the list and denied; pins are RFC 8785.", _rfc(8785, "3.2")
    ),
    Requirement("gateway:denial", "A denial is a tool result the model reads, three times the same.", "design: codes"),
    Requirement("gateway:cut", "A freeze ends a running call with an error of its own request.", "design: codes"),
    # what passes between agent and server
    Requirement("gateway:progress", "What a server streams reaches the agent as it comes.", _MODERN),
    Requirement("gateway:one-answer-each", "An id whose answer is owed is not used again.", _HANDSHAKE.format("index")),
    Requirement("gateway:server-requests", "A server's own requests to the agent are refused.", "design: servers"),
    Requirement("gateway:no-passthrough", "No token of the caller is forwarded upstream.", _PRACTICES),
    Requirement("gateway:echo", "An injected credential that comes back goes no further.", "design: invariant 6"),
    Requirement("gateway:answer-size", "A server's answer has a size it may not pass.", "design: enforcement"),
    Requirement("gateway:metadata", "The metadata of a resource names it and its server.", _rfc(9728, "2")),
    Requirement("gateway:challenge", "A 401 says where the metadata is, and what was wrong.", _rfc(9728, "5.1")),
    # JSON
    Requirement("json:strict", "JSON that parsers read differently is refused.", _rfc(8259, "4")),
    Requirement(
        "json:canonical",
        "Canonical JSON is RFC 8785.",
        _rfc(8785, "3.2"),
        divergence="Only integers below 2^53 and keys of the BMP are taken; the rest is refused, not spelled.",
    ),
    # the log
    Requirement(
        "log:tree", "The root is the Merkle tree hash of the entries, leaves and nodes apart.", _rfc(9162, "2.1.1")
    ),
    Requirement("log:inclusion", "An entry is proved to be in the tree, at its index and size.", _rfc(9162, "2.1.3.2")),
    Requirement("log:consistency", "A larger tree is proved to continue a smaller one.", _rfc(9162, "2.1.4.2")),
    Requirement("log:tiles", "Hashes are stored and named as tiles of 256.", _C2SP.format("tlog-tiles")),
    Requirement(
        "log:checkpoint", "A checkpoint has origin, size and root in one spelling.", _C2SP.format("tlog-checkpoint")
    ),
    Requirement("log:signed-note", "A note is signed, and verified by key name and id.", _C2SP.format("signed-note")),
)
