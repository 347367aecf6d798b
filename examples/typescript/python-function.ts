import { spawnSync } from 'node:child_process';
import * as path from 'node:path';
import { Annotations, Stack, Stage } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

/** The props of `lambda.Function`, with an entry directory in place of code. */
export interface PythonFunctionProps extends Omit<lambda.FunctionProps, 'code' | 'handler'> {
  /** The app directory, relative to the working directory. */
  readonly entry: string;
  /** The handler's name in the module, or `package.module.name`; by default, it is found in the module. */
  readonly handler?: string;
  /** Further options of `cdk-lambda-package build`, such as `['--index', 'orders/create.py', '--smoke']`. */
  readonly options?: string[];
}

/** What `build --format json` prints, as far as it is used here. */
interface Package {
  readonly content_digest: string;
  readonly handler: string;
  readonly findings: { id: string; severity: string; message: string; path?: string; line?: number }[];
}

/** A Lambda function from an app directory, packaged by the command line of cdk-lambda-package. */
export class PythonFunction extends lambda.Function {
  constructor(scope: Construct, id: string, { entry, handler, options = [], ...props }: PythonFunctionProps) {
    // As for `cdk ls`, which needs no packages. Its template isn't deployed.
    if (!Stack.of(scope).bundlingRequired) {
      super(scope, id, { ...props, code: lambda.Code.fromInline('-'), handler: handler ?? 'app.handler' });
      return;
    }
    const output = path.join(Stage.of(scope)!.assetOutdir, `${scope.node.addr}-${encodeURIComponent(id)}.zip`);
    const target = ['--runtime', props.runtime.name, '--architecture', props.architecture?.name ?? 'x86_64'];
    const named = handler === undefined ? [] : ['--handler', handler];
    const made = build(`${scope.node.path}/${id}`, [entry, ...target, ...named, ...options, '--output', output]);
    // CDK looks at the digest of the content, as for the constructs in Python, and not at the file.
    const code = lambda.Code.fromAsset(output, { assetHash: made.content_digest });
    super(scope, id, { ...props, code, handler: made.handler });
    for (const finding of made.findings.filter((one) => one.severity === 'warning')) {
      const place = finding.line === undefined ? '' : `${finding.path}:${finding.line}: `;
      Annotations.of(this).addWarningV2(`cdk-lambda-package:${finding.id}`, `${place}${finding.message}`);
    }
  }
}

function build(construct: string, options: string[]): Package {
  const command = ['build', ...options, '--format', 'json'];
  const done = spawnSync('cdk-lambda-package', command, { encoding: 'utf8', maxBuffer: Infinity });
  if (done.error) {
    throw new Error(`cdk-lambda-package can't be started (${done.error.message}). Is it installed, and on PATH?`);
  }
  const made: Package | undefined = done.status === 0 ? JSON.parse(done.stdout) : undefined;
  // A package may be made without a handler, and a function needs one: then a warning says why it is unknown.
  if (made?.handler === undefined) {
    throw new Error(`${construct} can't be packaged.\n\n${done.stderr.trim()}\n`);
  }
  return made;
}
