/** Who we are, in the forms Envoy's `--version`, `/server_info` and `node.user_agent_build_version` have. */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import path from 'node:path';

const packageJson = findPackageJSON(import.meta.url) as string;

/** The folder that holds package.json and config/; the same from src/ and from dist/. */
export const PACKAGE_ROOT: string = path.dirname(packageJson);

/** Version of this proxy. */
const VERSION: string = JSON.parse(readFileSync(packageJson, 'utf8')).version;

/** How it was built; like an Envoy built from an archive we know no revision. */
export const BUILD = { revision: '0'.repeat(40), status: 'Distribution', type: 'RELEASE', ssl: 'OpenSSL' } as const;

/** `<revision>/<version>/<status>/<build>/<ssl>`. */
export const VERSION_TEXT = `${BUILD.revision}/${VERSION}/${BUILD.status}/${BUILD.type}/${BUILD.ssl}`;
