package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// What the log says of a signature.
const (
	notByKey    = "its signature is not by one of the provider's keys"
	notAccepted = "not in the form of one, or not signed in a way that is accepted"
)

// stranger is a key that no key set has.
var stranger = sync.OnceValue(func() *ecdsa.PrivateKey { return ecKey(elliptic.P256()) })

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func rsaKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// publishing puts further keys into the key set before f has its turn.
func publishing(f fault, keys ...any) fault {
	return both(f, changedAt(idpKeys, func(answer map[string]any) {
		published, _ := answer["keys"].([]any)
		answer["keys"] = append(keys, published...)
	}))
}

// both are two faults at different endpoints.
func both(f, g fault) fault {
	return func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
		f(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g(w, r, provider) }))
	}
}

// publicKey is a key as a key set shows it.
func publicKey(key any, kid, use string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: use}
}

// advertising lets discovery name the algorithms of ID tokens.
func advertising(f fault, algorithms ...string) fault {
	return both(f, setAt(idpDiscovery, "id_token_signing_alg_values_supported", algorithms))
}

// hmacOf is a token with an HMAC.
func hmacOf(payload map[string]any, kid string, key []byte) string {
	head := segment(map[string]any{"alg": "HS256", "kid": kid}) + "." + segment(payload)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// headed is a token with another header, and the signature that it had.
func headed(header map[string]any) func(string) string {
	return func(token string) string { return segment(header) + token[strings.Index(token, "."):] }
}

func pemOf(public any) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// resigned is a fault that signs every ID token anew.
func (i *impostor) resigned(algorithm jose.SignatureAlgorithm, key any, kid string) fault {
	return i.idToken(func(token string) string { return i.sign(encoded(payloadOf(token)), algorithm, key, kid) })
}

func signatureLies() []lie {
	token := func(change func(i *impostor, token string) string) func(*impostor) fault {
		return func(i *impostor) fault {
			return i.idToken(func(token string) string { return change(i, token) })
		}
	}
	return []lie{
		{name: "a bit of the signature is turned over", reason: notByKey, fault: token(func(_ *impostor, token string) string {
			at := strings.LastIndex(token, ".") + 5
			other := map[bool]string{true: "B", false: "A"}[token[at] == 'A']
			return token[:at] + other + token[at+1:]
		})},
		{name: "the claims are changed under the signature", reason: notByKey, fault: token(func(_ *impostor, token string) string {
			claims, parts := payloadOf(token), strings.Split(token, ".")
			claims["sub"] = "mallory"
			return parts[0] + "." + segment(claims) + "." + parts[2]
		})},
		{name: "the signature is cut", reason: notByKey, fault: token(func(_ *impostor, token string) string { return token[:len(token)-8] })},
		{name: "the signature is missing", reason: notByKey, fault: token(func(_ *impostor, token string) string { return token[:strings.LastIndex(token, ".")+1] })},
		{name: "another key has signed under the id of the provider's", reason: notByKey, fault: func(i *impostor) fault { return i.resigned(jose.ES256, stranger(), impostorKey) }},
		{name: "the token brings its own key", reason: notByKey, fault: token(func(_ *impostor, token string) string {
			return signed(encoded(payloadOf(token)), jose.SigningKey{Algorithm: jose.ES256, Key: stranger()}, &jose.SignerOptions{EmbedJWK: true})
		})},
		{name: "alg is none", reason: notAccepted, fault: token(func(_ *impostor, token string) string {
			return segment(map[string]any{"alg": "none"}) + "." + segment(payloadOf(token)) + "."
		})},
		{name: "alg is none in other letters", reason: notAccepted, fault: token(func(_ *impostor, token string) string {
			return segment(map[string]any{"alg": "nOnE"}) + "." + segment(payloadOf(token)) + "."
		})},
		{name: "HS256 with the public key as the secret", reason: notAccepted, fault: token(func(i *impostor, token string) string {
			return hmacOf(payloadOf(token), impostorKey, pemOf(i.key.Public()))
		})},
		{name: "HS256 with the client secret", reason: notAccepted, fault: token(func(i *impostor, token string) string {
			return hmacOf(payloadOf(token), "", []byte(i.e.IDP.ClientSecret))
		})},
		{name: "HS256 with a secret that the key set shows", reason: notAccepted, fault: func(i *impostor) fault {
			known := []byte("a secret that everybody can read")
			return publishing(i.idToken(func(token string) string { return hmacOf(payloadOf(token), "shown", known) }), publicKey(known, "shown", "sig"))
		}},
		{name: "HS256 is advertised and used", remembered: true, reason: notAccepted, fault: func(i *impostor) fault {
			return advertising(i.idToken(func(token string) string { return hmacOf(payloadOf(token), "", []byte(i.e.IDP.ClientSecret)) }), "HS256")
		}},
		{name: "alg does not fit the key", remembered: true, reason: notByKey, fault: func(i *impostor) fault {
			return advertising(i.idToken(headed(map[string]any{"alg": "RS256", "kid": impostorKey})), "ES256", "RS256")
		}},
		{name: "alg is one that the provider does not advertise", reason: notAccepted, fault: func(i *impostor) fault {
			key := rsaKey(2048)
			return publishing(i.resigned(jose.RS256, key, "rsa"), publicKey(key.Public(), "rsa", "sig"))
		}},
		{name: "a critical header that nobody knows", reason: notByKey, fault: func(i *impostor) fault {
			return i.idToken(headed(map[string]any{"alg": "ES256", "kid": impostorKey, "crit": []string{"mallory"}, "mallory": true}))
		}},
		{name: "kid is unknown", reason: notByKey, fault: func(i *impostor) fault { return i.resigned(jose.ES256, i.key, "mallory") }},
		{name: "kid is missing and another key has signed", reason: notByKey, fault: func(i *impostor) fault { return i.resigned(jose.ES256, stranger(), "") }},
		{name: "two keys have the kid and neither has signed", reason: notByKey, fault: func(i *impostor) fault {
			return publishing(i.resigned(jose.ES256, stranger(), impostorKey), publicKey(ecKey(elliptic.P256()).Public(), impostorKey, "sig"))
		}},
		{name: "the key of that kid is on another curve", reason: notByKey, fault: func(i *impostor) fault {
			return publishing(i.resigned(jose.ES256, stranger(), "curve"), publicKey(ecKey(elliptic.P384()).Public(), "curve", "sig"))
		}},
		{name: "the key of that kid is of another type", reason: notByKey, fault: func(i *impostor) fault {
			return publishing(i.resigned(jose.ES256, stranger(), "type"), publicKey(rsaKey(2048).Public(), "type", "sig"))
		}},
		{name: "the key is RSA of 1024 bits", remembered: true, reason: notByKey, fault: func(i *impostor) fault {
			key := rsaKey(1024)
			return advertising(publishing(i.resigned(jose.RS256, key, "short"), publicKey(key.Public(), "short", "sig")), "RS256")
		}},
		{name: "the key is meant for encryption", reason: notByKey, fault: func(i *impostor) fault {
			return publishing(i.resigned(jose.ES256, stranger(), "enc"), publicKey(stranger().Public(), "enc", "enc"))
		}},
		{name: "the key set shows the private key too", reason: notByKey, fault: func(i *impostor) fault {
			return publishing(i.resigned(jose.ES256, stranger(), "private"), publicKey(stranger(), "private", "sig"))
		}},
		{name: "two signatures", reason: notAccepted, fault: token(func(i *impostor, token string) string {
			parts := strings.Split(token, ".")
			one := map[string]any{"protected": parts[0], "signature": parts[2]}
			return string(encoded(map[string]any{"payload": parts[1], "signatures": []any{one, one}}))
		})},
		{name: "the token is encrypted", reason: notAccepted, fault: token(func(*impostor, string) string {
			return segment(map[string]any{"alg": "dir", "enc": "A256GCM"}) + "..bWFsbG9yeQ.bWFsbG9yeQ.bWFsbG9yeQ"
		})},
		{name: "the token is none", reason: notAccepted, fault: token(func(*impostor, string) string { return "mallory" })},
		{name: "the claims are a list", reason: notAccepted, fault: token(func(i *impostor, _ string) string {
			return i.sign([]byte(`["mallory"]`), jose.ES256, i.key, impostorKey)
		})},
		{name: "the claims are nested without end", reason: notAccepted, fault: token(func(i *impostor, _ string) string {
			return i.sign([]byte(`{"sub":`+strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000)+`}`), jose.ES256, i.key, impostorKey)
		})},
		{name: "a claim is there twice, and the last is wrong", reason: "about somebody else", fault: token(func(i *impostor, token string) string {
			payload := strings.TrimSuffix(string(encoded(payloadOf(token))), "}") + `,"sub":"mallory"}`
			return i.sign(json.RawMessage(payload), jose.ES256, i.key, impostorKey)
		})},
	}
}
