package llama

import "errors"

// maxTokenizeBytes bounds one call of Tokenize; beyond it the library's own
// 32-bit counts would come near their end.
const maxTokenizeBytes = 256 << 20

// ErrLoadCancelled means that ModelParams.Progress stopped a load.
var ErrLoadCancelled = errors.New("llama: load cancelled")
