package picture

// Memory is what pictures that are being read have of the process together, and
// MaxMemory all of it.
var Memory = memory

const MaxMemory = maxMemory
