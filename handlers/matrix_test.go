package handlers_test

const devicesPath = "/_matrix/client/v3/devices"
