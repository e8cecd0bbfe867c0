package homeserver

import (
	"context"
	"errors"

	"keymaker/internal/provisioning"
	"keymaker/store"
)

// User implements upstream.Links. A user of the homeserver that the store does
// not know yet is one whom nobody has signed in as here.
func (h *Synapse) User(ctx context.Context, localpart string) (store.User, error) {
	user, err := h.Store.User(ctx, localpart)
	if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	there, failed := h.API.QueryUser(ctx, localpart)
	switch {
	case errors.Is(failed, provisioning.ErrNotFound):
		return user, err
	case failed != nil:
		return user, unavailable(failed)
	}
	return store.User{Localpart: localpart, DisplayName: there.DisplayName, Account: store.Account{Deactivated: there.Deactivated}}, nil
}

// Link implements upstream.Links. A user of the homeserver whom somebody is
// linked to is one of the store's from then on.
func (h *Synapse) Link(ctx context.Context, n store.NewLink) (localpart string, err error) {
	localpart, err = h.Store.Link(ctx, n)
	if n.CreateUser || !errors.Is(err, store.ErrNotFound) {
		return localpart, err
	}
	user, err := h.User(ctx, n.Localpart)
	if err != nil {
		return "", err
	}
	if err := h.AdoptUser(ctx, user); err != nil {
		return "", err
	}
	return h.Store.Link(ctx, n)
}
