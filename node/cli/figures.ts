/** Three significant digits; a dash where there is no figure. */
export function formatFigure(value: number | null): string {
  if (value === null) return '–'
  const size = Math.abs(value)
  const digits = size >= 1000 && size < 1e6 ? Math.round(size).toString() : size.toPrecision(3)
  return value === 0 ? '0' : `${value < 0 ? '−' : ''}${digits}`
}

/** A share in per cent with one decimal. */
export function formatShare(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`
}
