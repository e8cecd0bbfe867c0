// Package realclients runs clients that other people wrote against the program
// as it is built and configured by an administrator: scripts below
// testdata/clients, one folder for each client library, in Node.js, and the
// journeys of a person with a browser, in Chromium.
//
// The folder's README says how a script is written. The tests run them where
// KEYMAKER_TEST_NODE_CLIENTS is set, and KEYMAKER_TEST_CHROMIUM for the journeys.
package realclients
