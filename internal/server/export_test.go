package server

import "context"

// SeenTurns is in how many turns the devices in use are written once.
const SeenTurns = seenTurns

// Tell is what the server does at a turn of its ticker.
func (s *Server) Tell(ctx context.Context, turn int) { s.tell(ctx, turn) }
