package faketuwunel

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// input is what any of the twelve calls is about.
type input struct {
	Localpart        *string   `json:"localpart"`
	DeviceID         *string   `json:"device_id"`
	DisplayName      *string   `json:"display_name"`
	Displayname      *string   `json:"displayname"`
	Devices          *[]string `json:"devices"`
	Erase            *bool     `json:"erase"`
	SetDisplayname   *string   `json:"set_displayname"`
	UnsetDisplayname bool      `json:"unset_displayname"`
	SetAvatarURL     *string   `json:"set_avatar_url"`
	UnsetAvatarURL   bool      `json:"unset_avatar_url"`
	SetEmails        *[]string `json:"set_emails"`
	UnsetEmails      bool      `json:"unset_emails"`
	Locked           *bool     `json:"locked"`
}

// serveCall answers a call of the provisioning API. The secret is looked at
// before anything else.
func (s *Tuwunel) serveCall(w http.ResponseWriter, r *http.Request, name string) {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if s.secret == "" || !strings.EqualFold(kind, "Bearer") || token != s.secret {
		problem(w, http.StatusForbidden, "M_FORBIDDEN")
		return
	}
	var in input
	ask := name == "query_user" || name == "is_localpart_available"
	switch {
	case ask != (r.Method == http.MethodGet):
		problem(w, http.StatusMethodNotAllowed, "M_UNRECOGNIZED")
		return
	case ask && !r.URL.Query().Has("localpart"), !ask && json.NewDecoder(r.Body).Decode(&in) != nil, !ask && in.Localpart == nil:
		problem(w, http.StatusBadRequest, "M_BAD_JSON")
		return
	case ask:
		in.Localpart = new(r.URL.Query().Get("localpart"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case "is_localpart_available":
		s.available(w, *in.Localpart)
	case "provision_user":
		s.provision(w, in)
	default:
		s.ofUser(w, name, in)
	}
}

var (
	localpart = regexp.MustCompile(`^[a-z0-9._=/+-]{1,240}$`)
	address   = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
)

func (s *Tuwunel) available(w http.ResponseWriter, name string) {
	switch {
	case !localpart.MatchString(name):
		problem(w, http.StatusBadRequest, "M_INVALID_USERNAME")
	case s.users[name] != nil:
		problem(w, http.StatusBadRequest, "M_USER_IN_USE")
	default:
		write(w, http.StatusOK, map[string]any{})
	}
}

// provision makes a user, or changes one. A malformed address fails before
// anything is done.
func (s *Tuwunel) provision(w http.ResponseWriter, in input) {
	if in.SetEmails != nil {
		for _, a := range *in.SetEmails {
			if !address.MatchString(a) {
				problem(w, http.StatusBadRequest, "M_INVALID_PARAM")
				return
			}
		}
	}
	if !localpart.MatchString(*in.Localpart) {
		problem(w, http.StatusBadRequest, "M_INVALID_PARAM")
		return
	}
	status, u := http.StatusOK, s.users[*in.Localpart]
	if u == nil {
		status, u = http.StatusCreated, &user{devices: map[string]string{}}
		s.users[*in.Localpart] = u
	}
	change(&u.displayName, in.SetDisplayname, in.UnsetDisplayname)
	change(&u.avatar, in.SetAvatarURL, in.UnsetAvatarURL)
	change(&u.emails, in.SetEmails, in.UnsetEmails)
	change(&u.locked, in.Locked, false)
	write(w, status, map[string]any{})
}

// change sets a field, or empties it.
func change[T any](field, set *T, unset bool) {
	var empty T
	switch {
	case set != nil:
		*field = *set
	case unset:
		*field = empty
	}
}

// ofUser is a call about a user, who must exist.
func (s *Tuwunel) ofUser(w http.ResponseWriter, name string, in input) {
	u, do := s.users[*in.Localpart], calls[name]
	switch {
	case do == nil:
		problem(w, http.StatusNotFound, "M_UNRECOGNIZED")
	case u == nil:
		problem(w, http.StatusNotFound, "M_NOT_FOUND")
	case name == "query_user":
		write(w, http.StatusOK, s.describe(u, *in.Localpart))
	default:
		if status := do(u, in); status == http.StatusNotFound {
			problem(w, status, "M_NOT_FOUND")
		} else {
			write(w, status, map[string]any{})
		}
	}
}

func (s *Tuwunel) describe(u *user, name string) map[string]any {
	about := map[string]any{"user_id": "@" + name + ":" + s.serverName, "display_name": nil, "avatar_url": nil, "is_suspended": false, "is_deactivated": u.deactivated}
	if u.displayName != "" {
		about["display_name"] = u.displayName
	}
	if u.avatar != "" {
		about["avatar_url"] = u.avatar
	}
	return about
}

// calls are those about a user, each with the status that it answers.
var calls = map[string]func(u *user, in input) int{
	"query_user": func(*user, input) int { return http.StatusOK },
	"delete_user": func(u *user, _ input) int {
		u.deactivated, u.devices, u.emails = true, map[string]string{}, nil
		return http.StatusOK
	},
	"reactivate_user": func(u *user, _ input) int {
		u.deactivated = false
		return http.StatusOK
	},
	"set_displayname": func(u *user, in input) int {
		change(&u.displayName, in.Displayname, false)
		return http.StatusOK
	},
	"unset_displayname": func(u *user, _ input) int {
		u.displayName = ""
		return http.StatusOK
	},
	"upsert_device": func(u *user, in input) int {
		name, there := u.devices[*in.DeviceID]
		change(&name, in.DisplayName, false)
		u.devices[*in.DeviceID] = name
		if there {
			return http.StatusOK
		}
		return http.StatusCreated
	},
	"update_device_display_name": func(u *user, in input) int {
		if _, there := u.devices[*in.DeviceID]; !there {
			return http.StatusNotFound
		}
		u.devices[*in.DeviceID] = *in.DisplayName
		return http.StatusOK
	},
	"delete_device": func(u *user, in input) int {
		delete(u.devices, *in.DeviceID)
		return http.StatusOK
	},
	"sync_devices": func(u *user, in input) int {
		u.sync(*in.Devices)
		return http.StatusOK
	},
	"allow_cross_signing_reset": func(u *user, _ input) int {
		u.resets++
		return http.StatusOK
	},
}

// sync makes the user have these devices and no others.
func (u *user) sync(devices []string) {
	before := u.devices
	u.devices = map[string]string{}
	for _, id := range devices {
		u.devices[id] = before[id]
	}
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, errcode string) {
	write(w, status, map[string]any{"errcode": errcode, "error": "refused"})
}
