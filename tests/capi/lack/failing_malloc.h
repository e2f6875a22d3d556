// An allocator of which one call fails.
#pragma once

/// From now on the call with this number (from 0 on) fails, of whichever function and thread; below 0: none.
void fail_allocation(long number);
/// How many calls there were since.
long allocations();
