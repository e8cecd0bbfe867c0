package store

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// JobLogout is the kind of the jobs that tell a client that a session has ended
// (OpenID Connect Back-Channel Logout). Their payload is a LogoutNotice.
const JobLogout = "backchannel_logout"

// LogoutNotice is what a client is told, and where. It holds all that the job
// needs: the client may have been swept by the time it is done.
type LogoutNotice struct {
	ClientID  string `json:"client_id"`
	URI       string `json:"uri"`
	Alg       string `json:"alg"` // id_token_signed_response_alg
	UserID    string `json:"user_id"`
	SessionID string `json:"session_id"`
	// Configured is set for a client of the configuration file: the URI is the
	// administrator's.
	Configured bool `json:"configured,omitempty"`
}

// noticeLogout leaves a job behind for a session that has just ended, if its
// client wants to know and has got an ID token for it.
func (s *Store) noticeLogout(ctx context.Context, r sessionRow) error {
	if r.ClientID == nil || !slices.Contains(strings.Fields(r.Scope), "openid") {
		return nil
	}
	client, err := s.Client(ctx, *r.ClientID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case client.fields.BackchannelLogoutURI == "":
		return nil
	}
	_, err = s.AddJob(ctx, NewJob{
		Kind: JobLogout,
		// What one client is told about one user stays in order; a client that
		// does not answer holds up no other.
		Lane: JobLogout + " " + client.ID + " " + r.Login.Localpart,
		Payload: LogoutNotice{ClientID: client.ID, URI: client.fields.BackchannelLogoutURI, Alg: client.fields.IDTokenAlg,
			UserID: s.UserID(r.Login.Localpart), SessionID: r.ID, Configured: client.configured},
	})
	return err
}
