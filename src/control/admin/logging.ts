/** POST /logging: shows and changes levels, of one component, some or all. */
import { LOG_LEVELS, type LogLevel, parseLogLevel } from '../../common/log.ts';
import type { AdminContext } from './context.ts';
import { badRequest, type Endpoint, text } from './endpoint.ts';

const usage = `
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: ${LOG_LEVELS.join(' ')} 
`;

type Change = readonly [component: string | undefined, level: string];

export const logging: Endpoint = {
  path: '/logging',
  help: 'query/change logging levels',
  mutates: true,
  params: [
    {
      name: 'paths',
      help: 'Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning',
    },
    {
      name: 'group',
      help: 'Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.',
    },
    {
      name: 'level',
      help: `desired logging level, this will change all loggers's level; One of (, ${LOG_LEVELS.join(', ')})`,
    },
  ],
  handle(context, { query }) {
    const error = change(context, query);
    if (error !== undefined) return badRequest(`error: ${error}\n${usage}${levelList(context)}`);
    return text(levelList(context));
  },
};

function levelList(context: AdminContext): string {
  const lines = context.logLevels().map(({ component, level }) => `  ${component}: ${level}\n`);
  return `active loggers:\n${lines.join('')}\n`;
}

/** What is wrong; nothing is changed then. */
function change(context: AdminContext, query: URLSearchParams): string | undefined {
  if (query.size === 0) return undefined;
  if (query.size > 1) return 'invalid number of parameters';
  const [[name, value]] = query;
  if ((name === 'paths' || name === 'level') && value === '') return undefined;
  if (name === 'group') return 'group parameter requires fine-grain logging to be enabled';
  const changes = name === 'paths' ? pathChanges(value) : [[name === 'level' ? undefined : name, value] as const];
  if (changes === undefined) return 'empty logger name or empty logger level';
  return apply(context, changes);
}

function pathChanges(list: string): Change[] | undefined {
  const changes = list.split(',').map((item) => item.split(':'));
  if (changes.some((parts) => parts.length !== 2 || parts.includes(''))) return undefined;
  return changes.map(([component, level]) => [component, level] as const);
}

function apply(context: AdminContext, changes: readonly Change[]): string | undefined {
  const known = new Set(context.logLevels().map(({ component }) => component));
  const checked: [string | undefined, LogLevel][] = [];
  for (const [component, text] of changes) {
    const level = parseLogLevel(text);
    if (level === undefined) return 'unknown logger level';
    if (component !== undefined && !known.has(component)) return 'unknown logger name';
    checked.push([component, level]);
  }
  for (const [component, level] of checked) context.changeLogLevel(component, level);
  return undefined;
}
