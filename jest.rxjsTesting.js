// What `rxjs/testing` exports, of the one file that stands for RxJS. See jest.config.js.
module.exports = require('rxjs').testing;
