/**
 * The memory's first page belongs to the kernels: tables, and room for a call's own values. Every
 * further thread has a page of its own behind it; regions begin after them. Tables are the first
 * page's, room is each thread's.
 */

/** Where this thread's page begins; 0 in the thread that calls the kernels. */
declare const page: usize

/** Two tables of sixteen shuffles, one for every choice of four lanes: to the front and back. */
export const gathers: usize = 0x0400
export const spreads: usize = 0x0500

/** Four vectors with one bit of sixteen in each lane, lowest first. */
export const lanes: usize = 0x0600

/** Room for one vector each. */
const literal: usize = page + 0x0640
export const padded: usize = page + 0x0650
export const converted: usize = page + 0x0660

/** 32 KiB for tables that last one call. */
export const scratch: usize = page + 0x4000

if (page == 0) writeTables()

function writeTables(): void {
  for (let choice: usize = 0; choice < 16; choice++) {
    let taken: u32 = 0
    store<u64>(gathers + choice * 16, -1)
    store<u64>(gathers + choice * 16, -1, 8)
    store<u64>(spreads + choice * 16, -1)
    store<u64>(spreads + choice * 16, -1, 8)
    for (let lane: u32 = 0; lane < 4; lane++) {
      if (!((choice >> lane) & 1)) continue
      store<u32>(gathers + choice * 16 + taken * 4, 0x03020100 + lane * 0x04040404)
      store<u32>(spreads + choice * 16 + lane * 4, 0x03020100 + taken * 0x04040404)
      taken++
    }
  }
  v128.store(lanes, i32x4(1 << 0, 1 << 1, 1 << 2, 1 << 3))
  v128.store(lanes, i32x4(1 << 4, 1 << 5, 1 << 6, 1 << 7), 16)
  v128.store(lanes, i32x4(1 << 8, 1 << 9, 1 << 10, 1 << 11), 32)
  v128.store(lanes, i32x4(1 << 12, 1 << 13, 1 << 14, 1 << 15), 48)
}

/**
 * `bits` in every lane, by way of memory: V8 would build a literal anew at each use inside a loop,
 * which costs the conversions a third of their speed.
 */
export function held(bits: u32): v128 {
  store<u32>(literal, bits)
  return v128.load32_splat(literal)
}
