/** The admin interface for a browser: a table of commands, forms for those that change something. */
import type { AdminRequest, Endpoint } from './endpoint.ts';

const style = `
.home-table { font-family: sans-serif; font-size: medium; border-collapse: collapse; }
.home-data { text-align: left; padding: 4px; }
.home-form { margin-bottom: 0; }
.gray { background-color: #dddddd; }
.option { padding: 4px 4px 4px 20px; text-align: right; }
`;

/** A page with these commands; `output` is shown below them, and the parameters are those of the request. */
export function page(endpoints: readonly Endpoint[], request: AdminRequest, output = ''): string {
  const rows = endpoints.map((endpoint) => commandRows(endpoint, request)).join('');
  const below = output === '' ? '' : `<pre>\n${escapeHtml(output)}</pre>\n`;
  return `<!DOCTYPE html>
<html lang='en'>
<head>
<title>Envoy Admin</title>
<style>${style}</style>
</head>
<body>
<table class='home-table'>
<thead><tr><th class='home-data'>Command</th><th class='home-data'>Description</th></tr></thead>
<tbody>
${rows}</tbody>
</table>
${below}</body>
</html>
`;
}

/** Relative links, so that the interface works below a path of another server. */
function commandRows({ path, help, mutates, params = [] }: Endpoint, request: AdminRequest): string {
  const name = path.slice(1);
  const method = mutates ? 'post' : 'get';
  const form = `<form action='${name}' method='${method}' id='${name}' class='home-form'><button>${name}</button></form>`;
  const rows = params.map((param) => {
    const value = escapeHtml(request.query.get(param.name) ?? '');
    const input = `<input type='text' name='${param.name}' form='${name}' value='${value}' />`;
    return `<tr class='gray'><td class='option'>${input}</td><td class='home-data'>${param.name}: ${escapeHtml(param.help)}</td></tr>\n`;
  });
  return `<tr><td class='home-data'>${form}</td><td class='home-data'>${escapeHtml(help)}</td></tr>\n${rows.join('')}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}
