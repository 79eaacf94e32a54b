// Package peers knows the servers that repartee is measured against and how to
// start them with equal terms: the same model file, threads, slots and context,
// and their own defaults in everything else.
//
// llama-server is built once from the pinned source into the cache; the Piper
// package of Python is installed once into an environment of its own there.
// Both are tools of the measurement and no part of the product.
package peers
