package fakesynapse

import (
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"
)

const maxDeviceName = 100

// checkDeviceName says what is wrong with the name of a device.
func checkDeviceName(name string) *answer {
	if utf8.RuneCountInString(name) > maxDeviceName {
		return problem(http.StatusBadRequest, "M_TOO_LARGE", fmt.Sprintf("Device display name is too long (max %d)", maxDeviceName))
	}
	return nil
}

func (s *Synapse) upsertDevice(in input) *answer {
	u := s.users[in.localpart()]
	id, _ := in.text("device_id")
	name, named := in.text("display_name")
	if refused := checkDeviceName(name); refused != nil {
		return refused
	}
	_, existed := u.devices[id]
	if !existed || named {
		u.devices[id] = name
	}
	if existed {
		return done(http.StatusOK)
	}
	return done(http.StatusCreated)
}

func (s *Synapse) updateDeviceDisplayName(in input) *answer {
	u := s.users[in.localpart()]
	id, _ := in.text("device_id")
	name, _ := in.text("display_name")
	if refused := checkDeviceName(name); refused != nil {
		return refused
	}
	if _, ok := u.devices[id]; !ok {
		return notFound("Not found")
	}
	u.devices[id] = name
	return done(http.StatusOK)
}

func (s *Synapse) deleteDevice(in input) *answer {
	id, _ := in.text("device_id")
	delete(s.users[in.localpart()].devices, id)
	return done(http.StatusNoContent)
}

// syncDevices leaves the dehydrated device, which no list has.
func (s *Synapse) syncDevices(in input) *answer {
	u := s.users[in.localpart()]
	wanted, _ := in.list("devices")
	for id := range u.devices {
		if id != u.dehydrated && !slices.Contains(wanted, id) {
			delete(u.devices, id)
		}
	}
	for _, id := range wanted {
		if _, ok := u.devices[id]; !ok {
			u.devices[id] = ""
		}
	}
	return done(http.StatusOK)
}
