import type * as Ai7 from 'ai7';
import type * as Compatible3 from 'compatible3';

import { aiSdkModel } from '../../adapters/ai/index';
import { describeModel } from './support/describeModel';

/** The AI SDK 7 asks for it. `npm run test:sdks` fetches one for this spec. */
const isNode22 = Number(process.versions.node.split('.')[0]) >= 22;

if (isNode22) {
  const ai7 = require('ai7') as typeof Ai7;
  const { createOpenAICompatible } = require('compatible3') as typeof Compatible3;
  describeModel('the AI SDK 7', ({ url }, model, options) =>
    aiSdkModel(
      'model',
      ai7,
      createOpenAICompatible({ name: 'p', baseURL: `${url}/v1`, includeUsage: true })(model),
      options,
    ),
  );
} else {
  describe('a model of the AI SDK 7', () => {
    it.skip('needs Node 22: npm run on-node -- 22 jest --config jest.sdks.config.js aiSdk7', () => undefined);
  });
}
