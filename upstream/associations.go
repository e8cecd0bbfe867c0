package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"keymaker/store"
)

// associated links the identity to the user that an administrator has approved
// for its claims, or returns an error that is store.ErrNotFound. Of several that
// match, the oldest counts.
func (a *Accounts) associated(ctx context.Context, id *Identity) (localpart string, err error) {
	claims := id.texts()
	keys := make([]string, 0, len(claims))
	for name, value := range claims {
		keys = append(keys, store.AssociationKey(name, value))
	}
	slices.Sort(keys)
	found, err := a.Links.AssociationsWith(ctx, id.ProviderID, keys)
	if err != nil {
		return "", err
	}
	for _, f := range found {
		if !matches(claims, f.Claims) {
			continue
		}
		n := newLink(id, f.Localpart, false)
		n.Association = f.ID
		localpart, err := a.Links.Link(ctx, n)
		// It may have been used, or removed, just now.
		if !errors.Is(err, store.ErrConflict) {
			return localpart, err
		}
	}
	return "", store.ErrNotFound
}

// matches tells whether all that is wanted is among the claims, exactly.
func matches(claims, wanted map[string]string) bool {
	for name, value := range wanted {
		if has, ok := claims[name]; !ok || has != value {
			return false
		}
	}
	return len(wanted) > 0
}

// texts are the claims with one value, as text: strings, numbers as they were
// sent, true and false. The subject is that of the identity, and an e-mail
// address is one only if the provider has verified it.
func (i *Identity) texts() map[string]string {
	texts := make(map[string]string, len(i.Claims))
	for name, value := range i.Claims {
		switch v := value.(type) {
		case string:
			texts[name] = v
		case json.Number:
			texts[name] = v.String()
		case bool:
			texts[name] = strconv.FormatBool(v)
		}
	}
	texts[claimSubject] = i.Subject
	delete(texts, claimEmail)
	if address := i.Claims.Email(); address != "" {
		texts[claimEmail] = address
	}
	return texts
}
