module framescope

go 1.26
