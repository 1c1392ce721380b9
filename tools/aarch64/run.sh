#!/bin/bash
#
# Runs a program for 64-bit ARM with its arguments on qemu's emulation.

exec qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"
