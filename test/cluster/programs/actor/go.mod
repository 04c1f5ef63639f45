module cnn-sweep.dev/test/actor

go 1.26
