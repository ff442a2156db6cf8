/** TLS 1.2 cipher suites by OpenSSL's name, and the order in which a server takes them for one client. */

/** IANA's numbers (RFC 5246, 5289, 7905), for those BoringSSL has. */
const numbers: Readonly<Record<string, number>> = {
  'ECDHE-ECDSA-AES128-GCM-SHA256': 0xc02b,
  'ECDHE-RSA-AES128-GCM-SHA256': 0xc02f,
  'ECDHE-ECDSA-CHACHA20-POLY1305': 0xcca9,
  'ECDHE-RSA-CHACHA20-POLY1305': 0xcca8,
  'ECDHE-ECDSA-AES256-GCM-SHA384': 0xc02c,
  'ECDHE-RSA-AES256-GCM-SHA384': 0xc030,
  'ECDHE-ECDSA-AES128-SHA': 0xc009,
  'ECDHE-RSA-AES128-SHA': 0xc013,
  'ECDHE-ECDSA-AES256-SHA': 0xc00a,
  'ECDHE-RSA-AES256-SHA': 0xc014,
  'ECDHE-RSA-AES128-SHA256': 0xc027,
  'AES128-GCM-SHA256': 0x9c,
  'AES256-GCM-SHA384': 0x9d,
  'AES128-SHA': 0x2f,
  'AES256-SHA': 0x35,
};

/** Suites with an ECDSA key, by number. */
export const ecdsaSuites: ReadonlySet<number> = new Set([0xc02b, 0xcca9, 0xc02c, 0xc009, 0xc00a, 0xc023, 0xc024]);

/** Within a group of equals the client's order counts (BoringSSL's `[A|B]`). */
export function suiteOrder(groups: readonly (readonly string[])[], offered: readonly number[]): string[] {
  return groups.flatMap((group) => {
    if (group.length === 1) return group;
    const place = (name: string): number => {
      const at = offered.indexOf(numbers[name] ?? -1);
      return at < 0 ? offered.length : at;
    };
    return [...group].sort((a, b) => place(a) - place(b));
  });
}
