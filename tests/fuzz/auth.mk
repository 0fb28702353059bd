# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
fuzz_mp_auth-src := $(fuzz_mp_meta-src)
fuzz_mp_auth-inc := $(fuzz_mp_meta-inc)
fuzz_mp_auth-run := -dict=$(here)mp_auth.dict
