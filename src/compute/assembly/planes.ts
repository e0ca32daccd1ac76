/**
 * Symbols of one byte each: the byte planes of values, and the bits of bitmaps.
 */

export function splitPlanes16(values: usize, planes: usize, count: u32): void {
  for (const end = planes + count; planes < end; planes++, values += 2) {
    const bits = <u32>rotl<u16>(load<u16>(values), 1)
    store<u8>(planes, <u8>bits)
    store<u8>(planes + count, <u8>(bits >> 8))
  }
}

export function splitPlanes32(values: usize, planes: usize, count: u32): void {
  for (const end = planes + count; planes < end; planes++, values += 4) {
    const bits = rotl<u32>(load<u32>(values), 1)
    store<u8>(planes, <u8>bits)
    store<u8>(planes + count, <u8>(bits >> 8))
    store<u8>(planes + 2 * count, <u8>(bits >> 16))
    store<u8>(planes + 3 * count, <u8>(bits >> 24))
  }
}

export function joinPlanes16(planes: usize, values: usize, count: u32): void {
  for (const end = planes + count; planes < end; planes++, values += 2) {
    const bits = (<u32>load<u8>(planes)) | ((<u32>load<u8>(planes + count)) << 8)
    store<u16>(values, rotr<u16>(<u16>bits, 1))
  }
}

export function joinPlanes32(planes: usize, values: usize, count: u32): void {
  for (const end = planes + count; planes < end; planes++, values += 4) {
    const bits =
      (<u32>load<u8>(planes)) |
      ((<u32>load<u8>(planes + count)) << 8) |
      ((<u32>load<u8>(planes + 2 * count)) << 16) |
      ((<u32>load<u8>(planes + 3 * count)) << 24)
    store<u32>(values, rotr<u32>(bits, 1))
  }
}

/** Eight bits as eight bytes: seven by one product, whose terms do not meet, and the last by itself. */
export function spreadBits(bits: usize, bytes: usize, count: u32): void {
  let i: u32 = 0
  for (; i + 8 <= count; i += 8) {
    const byte = <u64>load<u8>(bits + (i >> 3))
    const seven = ((byte & 0x7f) * 0x0002040810204081) & 0x0101010101010101
    store<u64>(bytes + i, seven | ((byte & 0x80) << 49))
  }
  for (; i < count; i++) store<u8>(bytes + i, ((<u32>load<u8>(bits + (i >> 3))) >> (i & 7)) & 1)
}

export function gatherBits(bytes: usize, bits: usize, count: u32): u32 {
  const low: u64 = 0x0101010101010101
  let seen: u64 = 0
  let i: u32 = 0
  for (; i + 8 <= count; i += 8) {
    const eight = load<u64>(bytes + i)
    seen |= eight
    store<u8>(bits + (i >> 3), ((eight & low) * 0x0102040810204080) >> 56)
  }
  let last: u32 = 0
  for (let j: u32 = 0; i + j < count; j++) {
    const byte = <u32>load<u8>(bytes + i + j)
    seen |= byte
    last |= (byte & 1) << j
  }
  if (i < count) store<u8>(bits + (i >> 3), last)
  return u32((seen & ~low) == 0)
}
