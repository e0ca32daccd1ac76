/** Three significant digits; a dash where there is no figure. */
export function formatFigure(value: number | null): string {
  if (value === null) return '–'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2)
  return size >= 1000 ? Math.round(value).toString() : value.toPrecision(3)
}

/** A share in per cent with one decimal. */
export function formatShare(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`
}
