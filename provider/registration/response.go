package registration

import (
	"encoding/json"
	"time"

	"keymaker/internal/secret"
)

// Response is the answer to a successful registration, sent with status 201
// (RFC 7591 §3.2.1, conformance B-01).
type Response struct {
	ClientID string
	IssuedAt time.Time
	// Secret is the client secret of a confidential client, which this answer
	// shows for the only time; "" for a public client. It never expires (B-40).
	Secret   secret.Text
	Metadata Metadata
}

// MarshalJSON returns one object of what was issued and what was registered.
func (r Response) MarshalJSON() ([]byte, error) {
	members, err := r.Metadata.members()
	if err != nil {
		return nil, err
	}
	members["client_id"] = r.ClientID
	members["client_id_issued_at"] = r.IssuedAt.Unix()
	if r.Secret != "" {
		members["client_secret"] = r.Secret.Reveal()
		members["client_secret_expires_at"] = 0
	}
	return json.Marshal(members)
}
