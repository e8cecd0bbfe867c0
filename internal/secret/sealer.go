package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeySize is the size of the master key in bytes.
const KeySize = 32

// ErrSealed is returned when sealed data cannot be opened: it was sealed under
// another key or for another purpose, or it was altered.
var ErrSealed = errors.New("sealed data does not open with this secret file")

// Sealer encrypts what the database must keep readable (signing keys, upstream
// verifiers), so that a copy of the database alone is worth nothing. Each
// purpose has a key of its own, derived with HKDF-SHA-256.
type Sealer struct {
	master []byte
}

// NewSealer returns a Sealer over a master key of KeySize bytes.
func NewSealer(master []byte) (*Sealer, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("the master key has %d bytes, want %d", len(master), KeySize)
	}
	return &Sealer{master: append([]byte(nil), master...)}, nil
}

// Seal encrypts plain for purpose with AES-256-GCM. The label (a key id, a row
// id) is authenticated too: sealed data moved to another row does not open.
func (s *Sealer) Seal(purpose, label string, plain []byte) ([]byte, error) {
	aead, err := s.aead(purpose)
	if err != nil {
		return nil, err
	}
	nonce := Bytes(aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, []byte(label)), nil
}

// Open decrypts what Seal made for the same purpose and label. It returns
// ErrSealed when that is not what it is given.
func (s *Sealer) Open(purpose, label string, sealed []byte) ([]byte, error) {
	aead, err := s.aead(purpose)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrSealed
	}
	nonce, box := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, box, []byte(label))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Derive returns a key of KeySize bytes for a purpose that is not sealing, such
// as the MAC of form tokens.
func (s *Sealer) Derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, s.master, nil, "keymaker "+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}

func (s *Sealer) aead(purpose string) (cipher.AEAD, error) {
	key, err := s.Derive("seal " + purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", purpose, err)
	}
	return cipher.NewGCM(block)
}
