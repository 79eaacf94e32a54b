package llama

// OwnAttention says that attention on the processor is computed by the kernel of
// shim/attention.cpp, whose results depend on a row's own cells alone. In a modular
// build the processor's module brings its own.
const OwnAttention = !Modular
