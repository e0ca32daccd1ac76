/**
 * Byte planes of values, whose patterns are turned left by one bit.
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
