#!/usr/bin/env bash
# Prints the cache directory.
echo "${REPARTEE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/repartee}"
