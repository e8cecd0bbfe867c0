// Package probe is how doctor asks a running server whom it takes a request to
// come from. Only who has the secret file of the server can ask, and read what
// it answers.
package probe

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"keymaker/internal/secret"
)

// Path is where the server answers. Proxies send it there with the rest below
// /_tuwunel/.
const Path = "/_tuwunel/doctor"

const (
	purpose = "doctor"
	// life is how far the clocks of the two may be apart.
	life = time.Minute
	// longest is more than a proof has, in bytes.
	longest = 128
	// longestForwarded is how much of a header is repeated, in bytes.
	longestForwarded = 1024
)

// Errors of a request and of an answer.
var (
	ErrProof  = errors.New("the proof is not of this secret file, or not of this minute")
	ErrAnswer = errors.New("the answer is not to this question, or not by a server with this secret file")
)

// Seen is what a server sees of the request that asks.
type Seen struct {
	// Address is whom the server takes for the client; "" = nobody that it knows.
	Address string `json:"address"`
	// Peer is who has connected, an address.
	Peer string `json:"peer"`
	// Forwarded is X-Forwarded-For as it arrived, at most its first 1024 bytes.
	Forwarded string `json:"forwarded"`
}

// Keys prove that a question is by somebody with the secret file, and keep the
// answer to it from everybody else.
type Keys struct {
	sealer *secret.Sealer
	proofs []byte
}

// New derives the keys from the secret file.
func New(sealer *secret.Sealer) (*Keys, error) {
	proofs, err := sealer.Derive(purpose)
	if err != nil {
		return nil, err
	}
	return &Keys{sealer: sealer, proofs: proofs}, nil
}

// Proof asks one question, within a minute. It is a text for an Authorization
// header.
func (k *Keys) Proof(now time.Time) string {
	asked := strconv.FormatInt(now.Unix(), 10)
	nonce := secret.Token()
	return asked + "." + nonce + "." + k.mac(asked, nonce)
}

func (k *Keys) mac(asked, nonce string) string {
	return base64.RawURLEncoding.EncodeToString(secret.MAC(k.proofs, []byte(asked), []byte(nonce)))
}

// check returns ErrProof unless Proof made the text, less than a minute ago. Who
// sends it once more within that minute gets an answer that they cannot read.
func (k *Keys) check(proof string, now time.Time) error {
	parts := strings.Split(proof[:min(len(proof), longest)], ".")
	if len(proof) > longest || len(parts) != 3 || !secret.Equal(parts[2], k.mac(parts[0], parts[1])) {
		return ErrProof
	}
	asked, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || now.Sub(time.Unix(asked, 0)).Abs() > life {
		return ErrProof
	}
	return nil
}

// Answer is what the server answers to a question: text that only Read
// understands, with the same proof. The error is ErrProof where nothing is to
// be answered.
func (k *Keys) Answer(proof string, now time.Time, seen Seen) (string, error) {
	if err := k.check(proof, now); err != nil {
		return "", err
	}
	seen.Forwarded = seen.Forwarded[:min(len(seen.Forwarded), longestForwarded)]
	plain, err := json.Marshal(seen)
	if err != nil {
		return "", fmt.Errorf("answer the doctor: %w", err)
	}
	sealed, err := k.sealer.Seal(purpose, proof, plain)
	if err != nil {
		return "", fmt.Errorf("answer the doctor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Read reads the answer to the question with this proof. The error is ErrAnswer.
func (k *Keys) Read(proof, answer string) (Seen, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(answer)
	if err != nil {
		return Seen{}, ErrAnswer
	}
	plain, err := k.sealer.Open(purpose, proof, sealed)
	var seen Seen
	if err != nil || json.Unmarshal(plain, &seen) != nil {
		return Seen{}, ErrAnswer
	}
	return seen, nil
}
