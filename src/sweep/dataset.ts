/** The plain facts about each data set that a sweep may name: shapes in pixels, counts in examples; class i is `classNames[i]`. */
export const DATASETS = {
  cifar10: {
    height: 32,
    width: 32,
    channels: 3,
    classes: 10,
    trainingExamples: 50_000,
    testExamples: 10_000,
    classNames: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  },
  mnist: {
    height: 28,
    width: 28,
    channels: 1,
    classes: 10,
    trainingExamples: 60_000,
    testExamples: 10_000,
    classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  },
} as const;

/** What `spec.training.dataset` may say. */
export type DatasetName = keyof typeof DATASETS;
