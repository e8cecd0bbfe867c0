package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"keymaker/internal/demo/browser"
	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/demoidp"
)

// people are how many can sign in at the identity provider: so many that none of
// them meets the limit of an account.
const people = 512

func person(i int) string { return fmt.Sprintf("person%03d", i) }

func users() []demoidp.User {
	all := make([]demoidp.User, people)
	for i := range all {
		all[i] = demoidp.User{Subject: person(i), Username: person(i), Name: "Somebody"}
	}
	return all
}

// forwarded says of each request that it came from that address.
type forwarded struct {
	next http.RoundTripper
	from string
}

// RoundTrip implements http.RoundTripper.
func (f forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.from)
	return f.next.RoundTrip(r)
}

// signIn walks whole logins: to the identity provider and back, consent, and the
// exchange of the code; each of another person with a browser without cookies. It
// is not the server alone that is measured, but the provider and the browser too.
func (r *run) signIn() act {
	return func(ctx context.Context, c *client, _, _ int) error {
		transport := forwarded{c.http.Transport, address()}
		attempt := r.matrix.Authorize(matrixclient.NewDevice(), redirectURI)
		b := browser.New(transport, redirectURI)
		page, err := b.Open(ctx, r.matrix.URL(attempt))
		if err != nil {
			return err
		}
		if page, err = submit(ctx, b, page, "username", person(rand.IntN(people))); err != nil { //nolint:gosec // it is no secret
			return err
		}
		if page, err = submit(ctx, b, page, "decision", "approve"); err != nil {
			return err
		}
		if page.Location == nil {
			return fmt.Errorf("sign in: no redirect to the client, but status %d", page.Status)
		}
		code, err := r.matrix.Code(attempt, page.Location.Query())
		if err != nil {
			return err
		}
		_, err = r.matrix.Exchange(ctx, attempt, code)
		return err
	}
}

// submit fills in the form of a page that has that field.
func submit(ctx context.Context, b *browser.Browser, page *browser.Page, field, value string) (*browser.Page, error) {
	form := page.Form(field)
	if form == nil {
		return nil, fmt.Errorf("sign in: no field %s on a page with status %d", field, page.Status)
	}
	form.Values.Set(field, value)
	return b.Submit(ctx, page, form)
}

// discover makes the client that signs in: the one whose sessions are stored.
func (r *run) discover(ctx context.Context) (err error) {
	c := &http.Client{Timeout: requestLimit}
	if r.matrix, err = matrixclient.Discover(ctx, matrixclient.Options{Issuer: r.url, HTTP: c}); err != nil {
		return err
	}
	r.matrix.ID = r.clientID
	return nil
}
