import { App, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { PythonFunction } from './python-function';

const app = new App();
const stack = new Stack(app, 'Shop');
new PythonFunction(stack, 'Orders', { entry: 'orders', runtime: lambda.Runtime.PYTHON_3_13 });
