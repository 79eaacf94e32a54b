module repartee

go 1.26
