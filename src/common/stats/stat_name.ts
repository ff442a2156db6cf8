/** Names of statistics as Envoy cleans them. */

/**
 * A piece of a name (address, stat_prefix, cluster name) without what must not be in one: `:`, `:/` and `://` become `_`,
 * NUL too (Envoy: Utility::sanitizeStatsName). The store does so with every name it is given.
 */
export function statNamePart(name: string): string {
  return /[:\0]/.test(name) ? name.replace(/:\/{0,2}|\0/g, '_') : name;
}
