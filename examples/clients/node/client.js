// Asks the server at the address given (127.0.0.1:6789) for three points of a small space, then
// reports two of them as finished and asks for two more. Knows nothing but proto/api.proto.
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const proto = path.join(__dirname, '..', '..', '..', 'proto', 'api.proto');
const definition = loader.loadSync(proto, { keepCase: true, enums: String, defaults: true });
const api = grpc.loadPackageDefinition(definition).api.v1.beta1;
const client = new api.Suggestion(
  process.argv[2] || '127.0.0.1:6789',
  grpc.credentials.createInsecure(),
);

const experiment = {
  name: 'node-example',
  spec: {
    objective: { type: 'MINIMIZE', objective_metric_name: 'loss' },
    algorithm: { algorithm_name: process.argv[3] || 'random' },
    parameter_specs: {
      parameters: [
        {
          name: 'lr',
          parameter_type: 'DOUBLE',
          feasible_space: { min: '1e-5', max: '0.1', distribution: 'LOG_UNIFORM' },
        },
        { name: 'layers', parameter_type: 'INT', feasible_space: { min: '1', max: '8' } },
        {
          name: 'optimizer',
          parameter_type: 'CATEGORICAL',
          feasible_space: { list: ['sgd', 'adam', 'ftrl'] },
        },
      ],
    },
  },
};

function call(method, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 60_000;
    client[method](request, { deadline }, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

async function main() {
  await call('ValidateAlgorithmSettings', { experiment });
  const first = await call('GetSuggestions', {
    experiment,
    current_request_number: 3,
    total_request_number: 3,
  });
  const trials = first.parameter_assignments.map(({ assignments }, index) => ({
    name: `trial-${index}`,
    spec: { parameter_assignments: { assignments } },
    status:
      index < 2
        ? {
            condition: 'SUCCEEDED',
            observation: { metrics: [{ name: 'loss', value: String(0.5 / (index + 1)) }] },
          }
        : { condition: 'RUNNING' },
  }));
  const second = await call('GetSuggestions', {
    experiment,
    trials,
    current_request_number: 2,
    total_request_number: 5,
  });
  for (const { assignments } of [...first.parameter_assignments, ...second.parameter_assignments]) {
    console.log(JSON.stringify(Object.fromEntries(assignments.map((a) => [a.name, a.value]))));
  }
}

main().then(
  () => client.close(),
  (error) => {
    console.error(`${grpc.status[error.code] || 'ERROR'}: ${error.details || error.message}`);
    process.exitCode = 1;
  },
);
