/** The access logger behind the file, stdout and stderr extensions: one formatted entry a stream into a log file. */
import type { AccessLogger, FormatContext } from '../../spi/format.ts';
import type { Formatter } from '../formatter/parse_format.ts';
import type { LogFile } from './log_file.ts';

export class FileLogger implements AccessLogger {
  private readonly formatter: Formatter;
  private readonly file: LogFile;

  constructor(formatter: Formatter, file: LogFile) {
    this.formatter = formatter;
    this.file = file;
  }

  log(context: FormatContext): void {
    this.file.write(this.formatter.format(context));
  }
}
