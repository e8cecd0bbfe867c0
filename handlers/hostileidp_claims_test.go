package handlers_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// claim is a fault that sets one claim of the ID token; nil takes it away.
func claim(name string, value any) func(*impostor) fault {
	return func(i *impostor) fault {
		return i.claims(func(claims map[string]any) { set(claims, name, value) })
	}
}

// when is a fault that sets a claim to a time from now.
func when(name string, fromNow time.Duration) func(*impostor) fault {
	return func(i *impostor) fault {
		return i.claims(func(claims map[string]any) { claims[name] = seconds(i.e.Clock.Now().Add(fromNow)) })
	}
}

func seconds(t time.Time) json.Number { return json.Number(strconv.FormatInt(t.Unix(), 10)) }

// appended is a fault that adds to a claim that is text.
func appended(name, text string) func(*impostor) fault {
	return func(i *impostor) fault {
		return i.claims(func(claims map[string]any) {
			old, _ := claims[name].(string)
			claims[name] = old + text
		})
	}
}

func audienceLies() []lie {
	const issuer, client, party = "another issuer", "another client", "issued to another client"
	two := func(i *impostor, change func(claims map[string]any)) fault {
		return i.claims(func(claims map[string]any) {
			claims["aud"] = []any{i.e.IDP.ClientID, "mallory"}
			change(claims)
		})
	}
	return []lie{
		{name: "iss is another", reason: issuer, fault: claim("iss", "https://mallory.example")},
		{name: "iss is missing", reason: issuer, fault: claim("iss", nil)},
		{name: "iss is empty", reason: issuer, fault: claim("iss", "")},
		{name: "iss is no text", reason: notAccepted, fault: claim("iss", []string{"https://mallory.example"})},
		{name: "iss has two slashes more", reason: issuer, fault: appended("iss", "//")},
		{name: "iss has a path more", reason: issuer, fault: appended("iss", "/mallory")},
		{name: "iss has another host that begins alike", reason: issuer, fault: appended("iss", ".mallory.example")},
		{name: "aud is another", reason: client, fault: claim("aud", "mallory")},
		{name: "aud is a list of others", reason: client, fault: claim("aud", []string{"mallory", "mallory2"})},
		{name: "aud is missing", reason: client, fault: claim("aud", nil)},
		{name: "aud is empty", reason: client, fault: claim("aud", []string{})},
		{name: "aud is a number", reason: notAccepted, fault: claim("aud", 7)},
		{name: "aud is ours in other letters", reason: client, fault: claim("aud", "KEYMAKER")},
		{name: "azp is another", reason: party, fault: claim("azp", "mallory")},
		{name: "azp is another of several in aud", reason: party, fault: func(i *impostor) fault { return two(i, func(c map[string]any) { c["azp"] = "mallory" }) }},
		{name: "azp is missing beside several in aud", reason: "does not say to which", fault: func(i *impostor) fault { return two(i, func(c map[string]any) { delete(c, "azp") }) }},
		{name: "azp is a list", reason: party, fault: claim("azp", []string{"keymaker"})},
	}
}

func timeLies() []lie {
	const issued = "was not issued in the past"
	fresh, login := url.Values{"max_age": {"0"}}, url.Values{"prompt": {"login"}}
	return []lie{
		{name: "exp has passed", reason: "has expired", fault: when("exp", -time.Second)},
		{name: "exp is missing", reason: "has expired", fault: claim("exp", nil)},
		{name: "exp is text", reason: notAccepted, fault: claim("exp", "tomorrow")},
		{name: "exp is absurd", reason: "expired", fault: claim("exp", json.Number("1e300"))},
		{name: "exp is negative", reason: "has expired", fault: claim("exp", -1)},
		{name: "exp has passed, and EXP has not", reason: "has expired", fault: func(i *impostor) fault {
			return i.claims(func(claims map[string]any) {
				claims["EXP"], claims["exp"] = claims["exp"], seconds(i.e.Clock.Now().Add(-time.Hour))
			})
		}},
		{name: "iat is far ahead", reason: issued, fault: when("iat", 10*time.Minute)},
		{name: "iat is missing", reason: issued, fault: claim("iat", nil)},
		{name: "iat is text", reason: notAccepted, fault: claim("iat", "today")},
		{name: "nbf is ahead", reason: notAccepted, fault: when("nbf", time.Hour)},
		{name: "nbf is text", reason: notAccepted, fault: claim("nbf", "today")},
		{name: "max_age=0 is answered with an old sign-in", item: "C-04", ask: fresh, reason: "auth_time is too early", fault: when("auth_time", -time.Hour)},
		{name: "max_age=0 is answered without auth_time", item: "C-04", ask: fresh, reason: "auth_time is missing", fault: claim("auth_time", nil)},
		{name: "prompt=login is answered with an old sign-in", item: "C-42", ask: login, reason: "auth_time is too early", fault: when("auth_time", -time.Hour)},
		{name: "prompt=login is answered with auth_time as text", item: "C-42", ask: login, reason: "auth_time is missing", fault: claim("auth_time", "now")},
	}
}

func bindingLies() []lie {
	const nonce = "its nonce is that of another login"
	return []lie{
		{name: "nonce is missing", reason: nonce, fault: claim("nonce", nil)},
		{name: "nonce is another", reason: nonce, fault: claim("nonce", "mallory")},
		{name: "nonce is empty", reason: nonce, fault: claim("nonce", "")},
		{name: "nonce is a list", reason: notAccepted, fault: claim("nonce", []string{"mallory"})},
		{name: "the ID token is that of another login", reason: nonce, fault: func(i *impostor) fault {
			old := i.earlierToken()
			return i.idToken(func(string) string { return old })
		}},
		{name: "at_hash is that of another access token", reason: "issued with another access token", fault: claim("at_hash", "bWFsbG9yeW1hbGxvcnltYQ")},
		{name: "at_hash is empty", reason: "issued with another access token", fault: claim("at_hash", "")},
		{name: "at_hash is a number", reason: notAccepted, fault: claim("at_hash", 7)},
		{name: "the access token is another", reason: "issued with another access token", fault: always(setAt(idpToken, "access_token", "mallory"))},
		{name: "c_hash is that of another code", reason: "issued for another code", fault: claim("c_hash", "bWFsbG9yeW1hbGxvcnltYQ")},
		{name: "c_hash is a list", reason: "issued for another code", fault: claim("c_hash", []string{"bWFsbG9yeW1hbGxvcnltYQ"})},
	}
}

// earlierToken is the ID token of a login of alice's, which succeeds.
func (i *impostor) earlierToken() string {
	i.e.T.Helper()
	var token string
	i.spoil(i.idToken(func(t string) string { token = t; return t }))
	id, _ := i.e.Register(`{"client_name":"Earlier","client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"],"token_endpoint_auth_method":"none"}`)
	i.e.NewBrowser().Approve(i.e.NewRequest(id, "openid"), "alice")
	i.spoil(nil)
	return token
}

func subjectLies() []lie {
	const none = "there is no subject"
	// everywhere sets sub in the ID token and in userinfo.
	everywhere := func(value any) func(*impostor) fault {
		return func(i *impostor) fault { return both(claim("sub", value)(i), setAt(idpUserinfo, "sub", value)) }
	}
	return []lie{
		{name: "sub is missing", reason: none, fault: everywhere(nil)},
		{name: "sub is empty", reason: none, fault: everywhere("")},
		{name: "sub is null", reason: none, fault: func(i *impostor) fault {
			return both(i.claims(func(c map[string]any) { c["sub"] = nil }), changedAt(idpUserinfo, func(c map[string]any) { c["sub"] = nil }))
		}},
		{name: "sub is a number", reason: notAccepted, fault: everywhere(7)},
		{name: "sub is longer than 255 bytes", reason: none, fault: everywhere(strings.Repeat("mallory", 40))},
		{name: "sub has a NUL", reason: none, fault: everywhere("mallory\x00")},
		{name: "sub has a line break", reason: none, fault: everywhere("mallory\nlevel=INFO")},
		{name: "sub is that of somebody else than userinfo's", reason: "about somebody else", fault: claim("sub", "mallory")},
	}
}
