export { append, folded, life, throughJson } from '../../../../testing/contract/life';
