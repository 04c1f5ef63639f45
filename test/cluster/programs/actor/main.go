// Plays a trainer whose end is written in its assignment, as the seed: below 1000 the exit code, without a result (139 leaves
// its last words in its log, the others in the termination message); from 1000 the exit
// code after a result was written; 5000 takes memory until the kernel ends it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

type assignment struct {
	Trial           int    `json:"trial"`
	Attempt         int    `json:"attempt"`
	AttemptUID      string `json:"attemptUID"`
	Hash            string `json:"hyperparametersHash"`
	Hyperparameters struct {
		Seed int `json:"seed"`
	} `json:"hyperparameters"`
}

const figures = `"epoch":1,"trainLoss":1.5,"trainAccuracy":0.5,"validationLoss":1.6,"validationAccuracy":0.45,` +
	`"validationLossStandardError":0.02,"runningTrainLoss":1.7,"seconds":1,"examplesPerSecond":1000`

const result = `{"trial":%d,"attempt":%d,"attemptUID":%q,"outcome":"Succeeded","reason":"","hyperparametersHash":%q,` +
	`"parameterCount":1000,"backend":"native","seconds":1,"summary":{"epochsPlanned":1,"epochsDone":1,"complete":true,` +
	`"diverged":false,"turningEpoch":1,"smoothedLossAtTurn":1.6,"smoothedLossAtEnd":1.6,"best":{` + figures + `},"last":{` +
	figures + `},"rawBest":{` + figures + `}},"test":{"loss":1.6,"accuracy":0.44}}`

func main() {
	flags := map[string]string{}
	for at := 1; at+1 < len(os.Args); at += 2 {
		flags[os.Args[at]] = os.Args[at+1]
	}
	var given assignment
	if err := json.Unmarshal([]byte(flags["--assignment-json"]), &given); err != nil {
		panic(err)
	}
	say := func(text string) {
		if err := os.WriteFile(flags["--result"], []byte(text), 0); err != nil {
			panic(err)
		}
	}
	seed := given.Hyperparameters.Seed
	if seed == 5000 {
		for taken := [][]byte{}; ; {
			part := make([]byte, 1<<20)
			for at := range part {
				part[at] = 1
			}
			taken = append(taken, part)
		}
	}
	if seed >= 1000 {
		say(fmt.Sprintf(result, given.Trial, given.Attempt, given.AttemptUID, given.Hash))
		os.Exit(seed - 1000)
	}
	words := fmt.Sprintf("the actor ends with %d", seed)
	if seed == 139 {
		fmt.Fprintln(os.Stderr, words)
	} else if seed > 0 {
		say(words)
	}
	os.Exit(seed)
}
