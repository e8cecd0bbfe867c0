package fakesynapse

import "net/http"

// call is one of the twelve.
type call struct {
	method string
	// fields are those of a POST.
	fields []field
	// pairs exclude each other as set_ and unset_.
	pairs []string
	// missing is the answer to a GET without a localpart.
	missing *answer
	// ofUser needs a user who exists.
	ofUser bool
	do     func(*Synapse, input) *answer
}

var localpart = field{key: "localpart", kind: isText}

// calls are all that there are, by the last part of their path.
var calls = map[string]call{
	"query_user": {
		method: http.MethodGet, missing: problem(http.StatusBadRequest, "M_MISSING_PARAM", "Missing string query parameter 'localpart'"),
		ofUser: true, do: (*Synapse).queryUser,
	},
	"is_localpart_available": {
		method: http.MethodGet, missing: problem(http.StatusBadRequest, "M_UNKNOWN", "Missing localpart"),
		do: (*Synapse).isLocalpartAvailable,
	},
	"provision_user": {method: http.MethodPost, do: (*Synapse).provisionUser,
		pairs: []string{"displayname", "avatar_url", "emails"},
		fields: []field{localpart,
			{key: "set_displayname", kind: isText, optional: true}, {key: "unset_displayname", kind: isFlag, optional: true, noNull: true},
			{key: "set_avatar_url", kind: isText, optional: true}, {key: "unset_avatar_url", kind: isFlag, optional: true, noNull: true},
			{key: "set_emails", kind: isList, optional: true}, {key: "unset_emails", kind: isFlag, optional: true, noNull: true},
			{key: "locked", kind: isFlag, optional: true},
		},
	},
	"delete_user":       {method: http.MethodPost, ofUser: true, do: (*Synapse).deleteUser, fields: []field{localpart, {key: "erase", kind: isFlag}}},
	"reactivate_user":   {method: http.MethodPost, ofUser: true, do: (*Synapse).reactivateUser, fields: []field{localpart}},
	"set_displayname":   {method: http.MethodPost, ofUser: true, do: (*Synapse).setDisplayName, fields: []field{localpart, {key: "displayname", kind: isText}}},
	"unset_displayname": {method: http.MethodPost, ofUser: true, do: (*Synapse).unsetDisplayName, fields: []field{localpart}},
	"upsert_device": {method: http.MethodPost, ofUser: true, do: (*Synapse).upsertDevice,
		fields: []field{localpart, {key: "device_id", kind: isText}, {key: "display_name", kind: isText, optional: true}}},
	"update_device_display_name": {method: http.MethodPost, ofUser: true, do: (*Synapse).updateDeviceDisplayName,
		fields: []field{localpart, {key: "device_id", kind: isText}, {key: "display_name", kind: isText}}},
	"delete_device":             {method: http.MethodPost, ofUser: true, do: (*Synapse).deleteDevice, fields: []field{localpart, {key: "device_id", kind: isText}}},
	"sync_devices":              {method: http.MethodPost, ofUser: true, do: (*Synapse).syncDevices, fields: []field{localpart, {key: "devices", kind: isList}}},
	"allow_cross_signing_reset": {method: http.MethodPost, ofUser: true, do: (*Synapse).allowCrossSigningReset, fields: []field{localpart}},
}
