"""The memory that simulated kernels and the runtime share: 64-bit words, with names for their indices.

One *state* describes a launch. It points to tables: a record for every thread, block and warp, a *region* for every watched
array, and for every element of a region a *cell* that records which thread touched it last.
"""

# the state: the running thread (its number in the launch), its indices, and its clocks
(
    CURRENT,
    THREAD_X,
    THREAD_Y,
    THREAD_Z,
    BLOCK_X,
    BLOCK_Y,
    BLOCK_Z,
    BLOCK_DIM_X,
    BLOCK_DIM_Y,
    BLOCK_DIM_Z,
    GRID_DIM_X,
    GRID_DIM_Y,
    GRID_DIM_Z,
    SITE,
    EPOCH,
    CLOCK,
    BLOCK,
    TID,
    # the launch
    THREADS_PER_BLOCK,
    WARPS_PER_BLOCK,
    BLOCKS,
    BLOCKS_STARTED,
    ORDER,
    LIVE,
    MAX_LIVE,
    POLICY,
    RANDOM,
    STOPPED,
    IDLE,
    SINCE_SWITCH,
    GRID_ARRIVED,
    KERNEL,
    ARGUMENTS,
    EXCEPTION,
    # tables
    THREADS,
    BLOCK_TABLE,
    WARPS,
    LANE_CLOCKS,
    READY,
    READY_HEAD,
    READY_COUNT,
    # fibers
    STACKS,
    STACK_LIMIT,
    FIBER_CAPACITY,
    FIBERS_MADE,
    FREE_FIBERS,
    FREE_COUNT,
    NEXT,
    NEXT_FIBER,
    FIBER_MAIN,
    SWITCH,
    RUN_OTHERS,
    TIRE,
    MAIN_CONTEXT,
    # shared memory
    CHUNKS,
    CHUNK_BYTES,
    CHUNKS_LEFT,
    FREE_CHUNKS,
    FREE_CHUNK_COUNT,
    DYNAMIC_BYTES,
    DYNAMIC_UNIT,
    STATIC_LIMIT,
    SHARED_LIMIT,
    # detection of hazards
    HAZARDS_ON,
    ALLOW_SAME,
    WRITERS,
    WRITER_COUNT,
    RETURN_FAILS,
    ALLOW_NEGATIVE,
    NEGATIVE_FAILS,
    # whether what is being recorded is tolerated by GPUs
    TOLERATED,
    HAZARDS,
    HAZARD_COUNT,
    RELEASES,
    RELEASE_COUNT,
    RELEASE_CAPACITY,
    LISTS,
    LIST_COUNT,
    LIST_CAPACITY,
    TIME,
    VISITS,
    SEARCH,
    # undefined values: whether the value sent, received or about to be written is undefined; which arguments of a call are,
    # as bits, and which parts of the result
    SENT,
    RECEIVED,
    WRITTEN,
    PASSED,
    RETURNED,
    # memory that nothing has written: whether such a value was just read, whether the launch has read one, how far from a
    # stack its shadow is
    LOADED,
    SUSPECTED,
    LOCAL_SHADOW,
    # the record of what threads do, for counters: which blocks are recorded, whether the running thread's is, the place of
    # the next event, the end of the room, the thread of the last event, whether there was too little room
    RECORDED,
    RECORDING,
    NEXT_EVENT,
    LAST_EVENT,
    EVENT_THREAD,
    EVENTS_LOST,
    # half a stamp of the running thread: its number and epoch
    STAMP,
    # the region of all local arrays
    LOCAL_REGION,
) = range(98)

# a thread; the first eight words, one cache line, are all that most threads need
(
    STATUS,
    FIBER,
    WAIT_SITE,
    OWN_CLOCK,
    FENCED,
    DIRTY,
    KNOWN,
    UNDEFINED_SITE,
    RESULT,
    WAIT_KIND,
    WAIT_MASK,
    VALUE,
    LANE,
    FENCE_CLOCK,
    FENCE_EPOCH,
    NEAR_CLOCK,
    NEAR_EPOCH,
    FENCE_KNOWN,
    RELEASED_AT,
    RELEASED_FENCE,
    UNDEFINED_LANE,
    UNDEFINED_KIND,
    UNDEFINED_MASK,
    UNDEFINED_SENT,
    UNDEFINED_CAME,
    UNDEFINED_SIZE,
    FENCE_LANES,
) = range(27)
THREAD_WORDS = FENCE_LANES + 16

FENCED_FOR_ALL, FENCED_FOR_BLOCK = 1, 2
"""Flags in FENCED."""

(UNBORN, READY_TO_RUN, AT_BARRIER, AT_WARP, AT_ACTIVEMASK, AT_GRID, GONE) = range(7)

# a block
(
    B_EPOCH,
    B_LIVE,
    B_ARRIVED,
    B_CHUNK,
    B_USED,
    B_STATIC,
    B_LAST_ARRAY,
    B_TRUE,
    B_FENCED_EPOCH,
    B_FENCES,
    B_EPOCH_AT_GRID,
    B_GONE_THREAD,
    B_KNOWN,
    BLOCK_WORDS,
) = range(14)

# a warp
(W_RUNNING, W_ACTIVE, WARP_WORDS) = range(3)

# a region: watched memory, from the address R_BASE on; R_SHADOW is the address of one byte for every byte of it, 1 if it has
# been written, or 0 if all has; R_ORIGIN is where the memory that it is a part of begins, which a GPU aligns
(R_BASE, R_SHIFT, R_CELLS, R_COLD, R_KIND, R_ID, R_SHADOW, R_ORIGIN, REGION_WORDS) = range(9)
GLOBAL, SHARED, LOCAL = range(3)
STATE_WORDS = LOCAL_REGION + REGION_WORDS

# a shared array of a block, in the block's chunk: linked to the previous one
(S_DECLARATION, S_REGION, S_PREVIOUS, SHARED_WORDS) = range(4)
DYNAMIC = -1
"""In S_DECLARATION: dynamic memory from the launch, of which all its arrays are views."""

# a cell, one cache line: stamps of four 32-bit words (thread + 1, epoch, clock, site), the newest release at this address,
# and whether there is a cold part, at R_COLD plus twice the cell's address, for rarely needed data: an atomic operation of
# another thread, a read in the same warp, and reads of other warps; next to that flag, the time and warp of the read in
# the same warp
WRITE, ATOMIC, READ = 0, 4, 8
RELEASED, HAS_COLD = 6, 7
OTHER_ATOMIC, READ_IN_WARP, READ_ELSEWHERE = 0, 4, 8
ELSEWHERE = 6
CELL_BYTES, COLD_BYTES = 64, 128
S_EPOCH, S_CLOCK, S_SITE = 1, 2, 3

# a release: what a thread's fences and an atomic operation published at one address. Its main part holds for all blocks, the
# near one only for its own; L_BLOCK_EPOCH is what its whole block had fenced before a barrier
(
    L_THREAD,
    L_TIME,
    L_CLOCK,
    L_EPOCH,
    L_NEAR_CLOCK,
    L_NEAR_EPOCH,
    L_BLOCK_EPOCH,
    L_PLACE,
    L_PREVIOUS,
    L_VISITED,
    L_KNOWN,
    L_BLOCK_KNOWN,
    L_LANES,
) = range(13)
RELEASE_WORDS = L_LANES + 16

# what a thread or a block knows: an immutable list of releases, as (release, rest of the list)
(K_RELEASE, K_REST, KNOWN_WORDS) = range(3)
LOOK_BACK = 16
"""How far to search a list for an older release at the same address, which is dropped."""

SEARCH_WORDS = 65_536

# a row of WRITERS: the last value of one writer of an element, if writers of the same value are allowed and one has written
# another value first
(V_CELL, V_THREAD, V_VALUE, V_SITE, V_REGION, V_ADDRESS, V_BYTES, WRITER_WORDS) = range(8)
MOST_WRITERS, FEW_WRITERS = 4096, 64
"""The most rows; as long as there are fewer, writers of the same value are kept too: one may write another value later."""

# kinds of access, and flags: of a write that leaves the value unchanged, of an access at which no other thread gets
# a turn, of an atomic operation that ignores the old value, of an index that never counts from the end, of a read whose
# result can be followed
READS, WRITES, UPDATES, VOLATILE_READS, VOLATILE_WRITES = range(5)
SAME = 8
SETTLED = 16
FRESH = 32
FROM_START = 64
FOLLOWED = 128
ALIGNMENT = 8
"""In four bits from this one on: the base-2 logarithm of the number of which the address must be a multiple."""

COMPARES = 1 << 12
"""A flag of the read of a compare-and-swap, which is one operation with the update, if there is one."""

PLACE = 16
"""From this bit on: the place of the access in the kernel, as ``Blocks`` numbers it; 0 if it is not known."""

# events: an access, the begin of a basic block, a barrier or warp operation, the change to another thread
ACCESSED, BEGAN, MET, CHANGED = range(4)
EVENT_WORDS = 2
EVENT_KIND = 60
"""The bit of an event's second word from which on its kind stands."""

EVENT_SIZE, EVENT_ACCESS, EVENT_MEMORY = 56, 52, 50
"""The bits of the first word of an access from which on stand its bytes (at most 127), its kind, and the memory; the address
is below."""

REGION_BITS = 36
"""The bit from which on the number of the region stands in the address of an access to global memory, which is relative."""

COMPARE_AND_SWAP = 5
"""The kind of access that a compare-and-swap has in events."""

EVENT_PLACE = 31
"""The bit of the second word of an access from which on its place stands; its site is below."""

WITHOUT_LOCAL, WITH_LOCAL = 1, 2
"""What RECORDING says of a block: whether its accesses to local memory are recorded too."""

# kinds of barrier and of warp operation
PLAIN, COUNT, AND, OR = range(4)
(SYNC, SHUFFLE, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, ALL, ANY, EQUAL, BALLOT, MATCH_ANY, MATCH_ALL) = range(11)
UNWRITTEN = 11
"""In UNDEFINED_KIND, where UNDEFINED_LANE, UNDEFINED_MASK and UNDEFINED_SIZE are a region, an address and a size."""

# exceeded limits
(STATIC_TOO_LARGE, NO_ROOM, TOO_MANY_WAIT, TOGETHER_TOO_LARGE, TOO_MANY_BLOCKS) = range(5)

# kinds of hazard, and the record of one: it copies the region's data, as the region may be gone when the record is read
(RACE, UNINITIALISED, OUTSIDE, DIVERGENT, ABSENT, DEADLOCK, LIMIT, RAISED, STACK, DANGLING, MISALIGNED) = range(11)
(H_KIND, H_THREAD, H_SITE, H_ACCESS, H_OTHER, H_OTHER_SITE, H_OTHER_ACCESS, H_REGION, H_ADDRESS, H_BYTES, H_EXTRA) = (
    range(11)
)
(H_MEMORY, H_ID, H_BASE, H_TOLERATED, H_INDEX) = range(11, 16)
HAZARD_WORDS = H_INDEX + 8
MAX_HAZARDS = 16

FIBER_BYTES = 1 << 18
CONTEXT_BYTES = 8192
SPARE_BYTES = 1 << 15
"""The stack space reserved for the runtime and for printing: below it, no function may be called."""
WARP = 32
