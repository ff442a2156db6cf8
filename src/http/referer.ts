/** Step 5 of the data path: which Referer may go on (RFC 9110 section 10.1.3: no fragment, no user information). */

const absolute = /^[a-z]+:\/\/(?:[\w.~-]+|\[[0-9a-f:.%]+\])(?::(\d{0,5}))?(?:[/?][!"$-~]*)?$/i;
const relative = /^(?:[\w!$%&'()*+,;=?@.~-]*|[\w!$%&'()*+,;=?@.~-]*\/[\w!$%&'()*+,;=?@.~:/-]*)$/;

/** An absolute URL, or a relative reference whose first segment has no colon. */
export function isValidReferer(value: string): boolean {
  const url = absolute.exec(value);
  return url === null ? relative.test(value) : Number(url[1] ?? 0) <= 65_535;
}
