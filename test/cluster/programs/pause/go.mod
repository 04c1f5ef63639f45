module cnn-sweep.dev/test/pause

go 1.26
